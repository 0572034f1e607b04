// One person: a Socket.IO session of their own, what they write and what they read.

import { io } from "./socket.io.js";
import { Client } from "/client.js";

const READING_MS = 250; // so that there is something to see of a message in flight
const MOST_SHOWN = 200;

const WORDS = {
  mine: {
    waiting: () => "waiting on this device",
    queued: (letter) => `queued for ${letter.to}`,
    flight: (letter) => `in flight to ${letter.to}`,
    handled: (letter) => `read by ${letter.to}, who confirms on coming back`,
    confirmed: (letter) => `confirmed by ${letter.to}`,
    failed: (letter) => `not sent: ${letter.why}`,
  },
  theirs: {
    flight: () => "in flight, not confirmed yet",
    queued: () => "the connection went; still in the queue",
    handled: () => "read; confirmed on coming back",
    confirmed: () => "confirmed",
  },
};
const made = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const freshId = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");

async function token(user) {
  const answer = await fetch(`/demo/token?user=${encodeURIComponent(user)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()).token;
}

export class Person {
  #letters;
  #client;
  #socket;
  #shown = new Map(); // "mine" or "theirs" and a letter's id -> its item
  #parts;

  constructor(user, other, { settings, letters, place }) {
    Object.assign(this, { user, other });
    this.#letters = letters;
    this.element = made("person");
    this.element.dataset.user = user;
    place(this.element);
    const part = (selector) => this.element.querySelector(selector);
    this.#parts = { log: part(".letters"), list: part("ol"), state: part(".state"), text: part(".text") };
    part("h2").textContent = user;
    part("h2").id = `person-${user}`;
    this.element.setAttribute("aria-labelledby", `person-${user}`);
    part(".face").textContent = user[0].toUpperCase();
    part(".to").textContent = `To ${other}`;
    part(".empty").textContent = `Nothing yet. What ${other} writes comes here; what waits in ${user}'s queue too.`;
    this.#parts.log.setAttribute("aria-label", `Messages of ${user}`);
    for (const [selector, label] of [[".send", `Send to ${other}`], [".ten", `Send 10 to ${other}`]])
      part(selector).setAttribute("aria-label", label);
    part(".offline").setAttribute("aria-label", `Offline: ${user}`);
    part(".offline").checked = false; // a browser remembers it over a reload
    part(".offline").addEventListener("change", ({ target }) => (target.checked ? this.#client.disconnect() : this.#client.connect()));
    part("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#parts.text.value.trim()) this.write(this.#parts.text.value.trim());
      this.#parts.text.value = "";
    });
    part(".ten").addEventListener("click", () => {
      for (let n = 1; n <= 10; n++) this.write(`${n} of 10`);
    });
    this.#connect(settings);
  }

  write(text) {
    const id = freshId();
    this.#show("mine", this.#letters.written(`${this.user}/${id}`, this.user, this.other), text);
    this.#client.send(this.other, text, { id }).catch(() => {}); // onSent says it
  }

  changed(letter) {
    for (const whose of ["mine", "theirs"]) {
      const item = this.#shown.get(`${whose} ${letter.id}`);
      if (item) this.#mark(item, whose, letter);
    }
  }

  #connect({ namespace, path, transports, maxBytes }) {
    const options = { path, transports, autoConnect: false, reconnectionDelay: 200, reconnectionDelayMax: 1000 };
    this.#socket = namespace === "/" ? io(options) : io(namespace, options);
    this.#socket.on("message", (message) => this.#letters.arrived(message.id, message.from, this.user));
    this.#socket.on("connect", () => this.#letters.back(this.user));
    this.#socket.on("disconnect", () => this.#letters.left(this.user));
    this.#client = new Client(this.#socket, {
      user: this.user,
      storage: "local",
      maxBytes,
      token: () => token(this.user),
      onMessage: (message) => this.#read(message),
      onState: () => this.#tell(),
      onError: () => this.#tell(), // nothing is lost by it, and the client tries again
      onSent: ({ id }, error) => {
        if (error) this.#letters.failed(`${this.user}/${id}`, error.message);
        else this.#letters.isHeld(`${this.user}/${id}`);
      },
    });
    // What an earlier page had no time to send.
    for (const { id, to, data } of this.#client.outbox)
      this.#show("mine", this.#letters.written(`${this.user}/${id}`, this.user, to), textOf(data));
    this.#tell();
  }

  async #read(message) {
    this.#show("theirs", this.#letters.arrived(message.id, message.from, this.user), textOf(message.data));
    await new Promise((resolve) => setTimeout(resolve, READING_MS));
    this.#letters.read(message.id, this.#socket.connected);
  }

  #tell() {
    const { state, reason, stopped } = this.#client ?? { state: "offline", reason: "connecting", stopped: false };
    const chosen = this.element.querySelector(".offline").checked;
    const words = { online: "online", "catching-up": "online, catching up" }[state]
      ?? (chosen ? "offline: post is kept" : stopped ? `sent away: ${reason}` : reason === "connecting" ? "connecting" : "connection lost, coming back");
    this.element.dataset.state = state;
    if (this.#parts.state.textContent !== words) this.#parts.state.textContent = words;
  }

  #show(whose, letter, text) {
    const key = `${whose} ${letter.id}`;
    if (this.#shown.has(key)) return;
    const item = made("letter");
    item.className = whose;
    item.dataset.id = letter.id;
    item.querySelector(".text").textContent = text;
    if (whose === "theirs" && letter.from !== this.other) item.dataset.from = letter.from ?? "a publisher";
    this.#mark(item, whose, letter);
    this.#shown.set(key, item);
    const { log, list } = this.#parts;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    list.append(item);
    if (this.#shown.size > MOST_SHOWN) {
      const [oldest, gone] = this.#shown.entries().next().value;
      this.#shown.delete(oldest);
      gone.remove();
    }
    if (atEnd || whose === "mine") log.scrollTop = log.scrollHeight;
  }

  #mark(item, whose, letter) {
    item.dataset.state = letter.state;
    item.querySelector(".words").textContent = WORDS[whose][letter.state]?.(letter) ?? letter.state;
  }
}

function textOf(data) {
  if (data instanceof ArrayBuffer) return `${data.byteLength} bytes`;
  return typeof data === "string" ? data : JSON.stringify(data);
}
