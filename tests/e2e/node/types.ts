// What a program in TypeScript may write with restante's client, and what it may not: compiled, never run.
import { io, type Socket } from "socket.io-client";
import {
  Client, NotSent, Refused, type Message, type Options, type Outgoing, type State, type StorageLike,
} from "restante-client";

interface Order { number: number }

const socket: Socket = io("https://gateway.example", { autoConnect: false, transports: ["websocket"] });

// The least, and all there is.
new Client(socket, { token: "a JWT", onMessage: (message) => console.log(message.data) });
const all: Required<Options> = {
  token: async () => "a JWT",
  onMessage: async (message: Message<Order>): Promise<number> => {
    if (message.data.number < 0) throw new Refused("no such order");
    const sender: string | null = message.from;
    const at: number | null = message.timestamp;
    const again: boolean = message.redelivered;
    console.log(message.id.length, message.type.length, sender, at, again);
    return message.data.number;
  },
  storage: "local",
  user: "alice",
  onState: (state: State, reason: string) => console.log(state === "catching-up", reason),
  onSent: (message: Outgoing, error: NotSent | null) => console.log(message.id, message.to, error?.code === "forbidden"),
  onError: (error: Error, message?: Message) => console.log(error.message, message?.id),
  patienceMs: 1000,
  maxBytes: 1000,
};
const client = new Client(socket, all);
const memory = new Map<string, string>();
const storage: StorageLike = {
  get length() { return memory.size; },
  key: (index) => [...memory.keys()][index] ?? null,
  getItem: (key) => memory.get(key) ?? null,
  setItem: (key, value) => void memory.set(key, value),
  removeItem: (key) => void memory.delete(key),
};
new Client(socket, { token: () => "a JWT", onMessage: () => ({ read: true }), storage, user: "alice" });
new Client(socket, { token: "a JWT", onMessage: () => 1, storage: localStorage, user: "alice" });

async function use(): Promise<string> {
  try {
    const id: string = await client.send("bob", { number: 1 }, { id: "order-1", type: "order", ttl: 60 });
    return id;
  } catch (error) {
    if (error instanceof NotSent) return error.code;
    throw error;
  }
}
const waiting: Outgoing[] = client.outbox;
const state: "offline" | "catching-up" | "online" = client.state;
const why: string = client.reason;
if (client.stopped) client.connect();
client.disconnect();
client.forget();
client.close();
void [use, waiting, state, why];

// @ts-expect-error: nobody handles what comes
new Client(socket, { token: "a JWT" });
// @ts-expect-error: nobody says who this is
new Client(socket, { onMessage: () => undefined });
// @ts-expect-error: a token is a string
new Client(socket, { token: () => 7, onMessage: () => undefined });
// @ts-expect-error: there is no such storage
new Client(socket, { token: "a JWT", onMessage: () => undefined, storage: "cookie" });
// @ts-expect-error: an option with a slip in its name
new Client(socket, { token: "a JWT", onMesage: () => undefined, onMessage: () => undefined });
// @ts-expect-error: the socket is missing
new Client({ token: "a JWT", onMessage: () => undefined });
// @ts-expect-error: this is no socket
new Client({ connected: true }, { token: "a JWT", onMessage: () => undefined });
// @ts-expect-error: to whom, and what
client.send("bob");
// @ts-expect-error: seconds are a number
client.send("bob", 1, { ttl: "60" });
// @ts-expect-error: the client says its state, nobody else
client.state = "online";
// @ts-expect-error: there is no such state
if (client.state === "away") client.connect();
// @ts-expect-error: a refusal has a reason
new Refused();
// @ts-expect-error: there is no such code
if (new NotSent("expired").code === "tired") client.connect();
// @ts-expect-error: what comes of send is a promise
const id: string = client.send("bob", 1);
void id;
