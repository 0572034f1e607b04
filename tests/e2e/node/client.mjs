// The stock Socket.IO client, driven by JSON lines on stdin; says all that happens in JSON lines on stdout.
// One process is one device, so that killing the process is a device that vanishes.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const SEEN = 256;
const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const kept = new Map(); // message id -> its callbacks, one for each time it came
const confirmed = [];
let socket;
let login;
let handed = [];
let mode = { mode: "confirm" };

const portable = (data) => (Buffer.isBuffer(data) ? { $binary: data.toString("base64") } : data);

function confirm(id, ack, value) {
  confirmed.push(id);
  say("confirmed", { id });
  value === undefined ? ack() : ack(value);
}

function receive(message, ack) {
  kept.set(message.id, [...(kept.get(message.id) ?? []), ack]);
  say("message", { ...message, data: portable(message.data), session: socket.id });
  if (mode.mode === "confirm") confirm(message.id, ack);
  if (mode.mode === "value") confirm(message.id, ack, mode.value);
  if (mode.mode === "refuse") ack({ error: mode.reason });
  if (mode.mode === "delay") setTimeout(() => confirm(message.id, ack), mode.delay_ms);
}

function auth(give) {
  const { token, seen } = login;
  handed = Array.isArray(seen) ? seen : seen === "confirmed" ? confirmed.slice(-SEEN) : [];
  give(seen === "never" ? { token } : { token, seen: handed });
}

function connect({ options, ...fresh }) {
  const again = login?.url === fresh.url;
  login = fresh;
  if (again) {
    socket.connect(); // as an application does, with the callbacks of the earlier connection still about
    return;
  }
  socket = io(login.url, {
    auth,
    forceNew: true,
    transports: ["websocket"],
    reconnectionDelay: 50,
    reconnectionDelayMax: 300,
    ...options,
  });
  socket.on("connect", () => say("connect", { session: socket.id, seen: handed }));
  socket.on("disconnect", (reason) => say("disconnect", { reason }));
  socket.on("connect_error", (error) => say("connect_error", { message: error.message, data: error.data ?? null, final: !socket.active }));
  socket.on("replaced", () => say("replaced"));
  socket.on("message", receive);
}

const commands = {
  connect,
  disconnect: () => socket.disconnect(),
  mode: (command) => { mode = command; },
  confirm: ({ id, value, try_number }) => confirm(id, kept.get(id).at(try_number), value ?? undefined),
  send: ({ request, body }) => socket.emit("send", body, (answer) => say("answer", { request, answer })),
  renew: ({ request, token }) => socket.emit("renew", { token }, (answer) => say("answer", { request, answer })),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.command](command);
  })
  .on("close", () => process.exit(0));
