// restante's own client in Node, driven by JSON lines on stdin; says all that happens in JSON lines on stdout.
// One process is one page: what it stores is in the file named, so that a new process is a reload.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { Client, Refused } from "../../../gateway/client/restante.js";

const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const held = new Map(); // message id -> ends its handler
let client;
let tokens = [];
let mode = { mode: "confirm" };

class FileStorage {
  constructor(file) {
    this.file = file;
    this.items = new Map(existsSync(file) ? Object.entries(JSON.parse(readFileSync(file, "utf8"))) : []);
  }
  get length() { return this.items.size; }
  key(index) { return [...this.items.keys()][index] ?? null; }
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) {
    if (mode.full) throw new Error("the storage is full");
    this.items.set(key, value);
    this.write();
  }
  removeItem(key) { this.items.delete(key); this.write(); }
  write() { writeFileSync(this.file, JSON.stringify(Object.fromEntries(this.items))); }
}

async function onMessage(message) {
  say("began", { id: message.id, data: message.data });
  const { id } = message;
  const now = mode;
  if (now.mode === "hold" && (!now.only || now.only === id)) await new Promise((resolve) => held.set(id, resolve));
  if (now.mode === "delay") await new Promise((resolve) => setTimeout(resolve, Math.random() * now.delay_ms));
  if (now.mode === "refuse") throw new Refused(now.reason);
  if (now.mode === "throw") throw new Error("a fault of the page");
  say("handled", { id });
  return now.value;
}

const commands = {
  open({ url, user, file, tokens: given, options }) {
    tokens = given;
    const socket = io(url, { autoConnect: false, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 300 });
    socket.on("connect", () => say("connect"));
    socket.on("disconnect", (reason) => say("disconnect", { reason }));
    client = new Client(socket, {
      user,
      storage: file ? new FileStorage(file) : undefined,
      token: () => {
        say("token");
        const token = tokens.length > 1 ? tokens.shift() : tokens[0];
        if (!token) throw new Error("the login is away");
        return token;
      },
      onMessage,
      onState: (state, reason) => say("state", { state, reason, stopped: client?.stopped }),
      onSent: ({ id }, error) => say("left", { id, error: error?.code ?? null }),
      onError: (error) => say("error", { text: error.message }),
      ...options,
    });
  },
  mode(command) { mode = command; },
  end({ id }) { held.get(id)(); },
  tokens(command) { tokens = command.tokens; },
  disconnect() { client.disconnect(); },
  connect() { client.connect(); },
  forget() { client.forget(); },
  outbox() { say("outbox", { ids: client.outbox.map(({ id }) => id) }); },
  send({ to, data, big, options }) {
    client.send(to, big === undefined ? data : BigInt(big), options).then((id) => say("sent", { id }), (error) => say("not sent", { id: options?.id, error: error.code }));
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.command](command);
  })
  .on("close", () => process.exit(0));
