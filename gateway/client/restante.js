// restante's client for pages and Node: wraps a socket of socket.io-client. What it promises is in restante.d.ts.

const SEEN = 256; // the gateway takes no more ids, nor longer ones
const ID_CHARACTERS = 257;
const MOST_WAITING = 1000;
const ANSWER_MS = 35_000; // longer than the gateway waits for its broker, so that it answers first
const QUIET_MS = 500;
const RENEW_MS = 30_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const FINAL = new Set(["bad_request", "forbidden", "too_large"]);

export class Refused extends Error {
  name = "Refused";
}

export class NotSent extends Error {
  name = "NotSent";
  constructor(code, detail) {
    super(detail ? `${code}: ${detail}` : code);
    this.code = code;
  }
}

const freshId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
const backoffMs = (tries, mostMs = 30_000) => Math.min(mostMs, 500 * 2 ** tries) * (0.5 + Math.random() / 2);
const isRefusal = (value) => typeof value?.error === "string" && value.error !== "";

// How long a token still lives. NaN when it does not say, or when this clock is so wrong that it seems over.
function livesMs(token) {
  try {
    const { exp, iat } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    const left = exp * 1000 - Date.now();
    return left > 0 ? Math.min(left, iat < exp ? (exp - iat) * 1000 : left) : NaN;
  } catch {
    return NaN;
  }
}

// What outlives a reload. A storage that is full or forbidden is reported once, and then memory has to do.
class Shelf {
  constructor(storage, user, report) {
    this.prefix = `restante/${user}/`; // no user id has a slash
    this.report = report;
    this.storage = this.try(() => (storage === "local" ? localStorage : storage === "session" ? sessionStorage : storage));
  }
  try(act, otherwise) {
    try {
      return act();
    } catch (error) {
      this.report?.(error);
      this.report = undefined;
      return otherwise;
    }
  }
  get(key) {
    return this.try(() => JSON.parse(this.storage?.getItem(this.prefix + key) ?? "null"), null);
  }
  set(key, value) {
    this.try(() => this.storage?.setItem(this.prefix + key, JSON.stringify(value)));
  }
  remove(key) {
    this.try(() => this.storage?.removeItem(this.prefix + key));
  }
  keys(start) {
    return this.try(() => {
      const all = Array.from({ length: this.storage?.length ?? 0 }, (_, n) => this.storage.key(n));
      return all.filter((key) => key.startsWith(this.prefix + start)).map((key) => key.slice(this.prefix.length));
    }, []);
  }
}

export class Client {
  state = "offline";
  reason = "connecting";
  #socket;
  #options;
  #shelf;
  #handled = new Set(); // the last ids, oldest first
  #owed = new Map(); // id -> the answer to a message that came in a session that is over
  #running = new Map(); // id -> where its answer goes, from its arrival to the end of its handler
  #line = Promise.resolve(); // one handler after the other
  #waiting = 0;
  #outbox = new Map(); // id -> what waits for the gateway's ok, in order
  #born = 0;
  #logins = 0;
  #refused = 0;
  #timers = {};
  #listeners;

  constructor(socket, options) {
    if (typeof options?.onMessage !== "function") throw new TypeError("onMessage must be a function");
    if (options.storage && !options.user) throw new TypeError("storage needs user: whose messages are kept");
    this.#socket = socket;
    this.#options = { patienceMs: 20_000, maxBytes: 262_144, ...options };
    this.#shelf = new Shelf(options.storage, options.user, (error) => this.#report(error));
    for (const id of [].concat(this.#shelf.get("seen") ?? [])) this.#remember(id);
    const kept = this.#shelf.keys("out.").map((key) => this.#shelf.get(key)).filter((entry) => entry?.id);
    for (const entry of kept.sort((a, b) => a.at - b.at || a.n - b.n)) this.#outbox.set(entry.id, { ...entry, adopted: true });
    this.#listeners = {
      connect: () => this.#connected(),
      disconnect: (reason) => this.#lost(this.reason === "replaced" ? "replaced" : reason),
      connect_error: (error) => this.#connectError(error),
      replaced: () => this.#state(this.state, "replaced"),
      message: (message, ack) => this.#receive(message, ack),
    };
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
    socket.auth = (give) => this.#logIn(give);
    if (socket.connected) socket.disconnect(); // with a login that named no seen
    socket.connect();
  }

  get stopped() {
    return !this.#socket.active && !this.#timers.connect;
  }

  get outbox() {
    return [...this.#outbox.values()].map(({ id, to, data, type, ttl }) => ({ id, to, data, type, ttl }));
  }

  connect() {
    if (this.#socket.active) return;
    this.#state("offline", "connecting");
    this.#socket.connect();
  }

  disconnect() {
    this.#logins++; // nobody waits for a token any more
    this.#stopTimers();
    this.#socket.disconnect();
    this.#state("offline", "io client disconnect");
  }

  close() {
    this.disconnect();
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener);
  }

  forget() {
    for (const key of this.#shelf.keys("")) this.#shelf.remove(key);
    for (const entry of [...this.#outbox.values()]) this.#sent(entry, new NotSent("forgotten"));
    this.#handled.clear();
  }

  send(to, data, { id = freshId(), type, ttl } = {}) {
    let text;
    try {
      text = JSON.stringify(data);
    } catch {} // a circle, or a BigInt: it stays undefined
    const there = this.#outbox.get(id);
    if (there?.promise) return there.promise;
    if (text === undefined) return Promise.reject(new NotSent("bad_request", "data must be JSON"));
    if (new TextEncoder().encode(text).length > this.#options.maxBytes)
      return Promise.reject(new NotSent("too_large", `more than ${this.#options.maxBytes} bytes`));
    if (!there && this.#outbox.size >= MOST_WAITING) return Promise.reject(new NotSent("outbox_full"));
    const kept = { id, to, data: JSON.parse(text), type, ttl, at: Date.now(), n: this.#born++ };
    const entry = there ?? { ...kept };
    entry.adopted = false;
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    if (!there) {
      this.#outbox.set(id, entry);
      this.#shelf.set(`out.${id}`, kept);
    }
    this.#flush();
    return entry.promise;
  }

  // Connections.

  #logIn(give) {
    const attempt = ++this.#logins;
    const engine = this.#socket.io.engine;
    const ask = async (tries) => {
      try {
        const token = await this.#token();
        // The transport may be another one by now, which asks for a login of its own.
        if (attempt !== this.#logins || engine !== this.#socket.io.engine || this.#socket.connected) return;
        this.#renewBefore(token);
        give({ token, seen: [...this.#handled].filter((id) => !this.#owed.has(id)) });
      } catch (error) {
        this.#report(error);
        if (attempt === this.#logins && engine === this.#socket.io.engine) this.#after("login", backoffMs(tries), () => ask(tries + 1));
      }
    };
    ask(0);
  }

  async #token() {
    const { token } = this.#options;
    return typeof token === "function" ? token() : token;
  }

  #connected() {
    this.#refused = 0;
    this.#state("catching-up", "");
    this.#awaitQuiet();
    for (const entry of this.#outbox.values()) entry.tries = 0;
    this.#flush();
  }

  #lost(reason) {
    this.#stopTimers();
    this.#state("offline", reason);
  }

  #connectError(error) {
    this.#stopTimers();
    this.#state("offline", error.message);
    if (this.#socket.active) return; // a transport's trouble: socket.io tries again
    if (error.message === "token_expired" && typeof this.#options.token === "function")
      this.#after("connect", backoffMs(this.#refused++), () => this.#socket.connect());
    else this.#report(error);
  }

  #renewBefore(token) {
    const lives = livesMs(token);
    clearTimeout(this.#timers.renew);
    if (typeof this.#options.token !== "function" || Number.isNaN(lives)) return; // the gateway closes, and we log in anew
    this.#after("renew", Math.max(1000, lives - Math.min(RENEW_MS, lives / 3)), () => this.#renew(0));
  }

  async #renew(tries) {
    const session = this.#socket.id;
    const again = (error) => {
      if (!this.#socket.connected || this.#socket.id !== session) return;
      this.#report(error);
      this.#after("renew", backoffMs(tries), () => this.#renew(tries + 1));
    };
    try {
      const token = await this.#token();
      if (!this.#socket.connected || this.#socket.id !== session) return;
      this.#socket.timeout(ANSWER_MS).emit("renew", { token }, (error, answer) => {
        if (answer?.ok) this.#renewBefore(token);
        else again(error ?? new Error(`renew: ${answer?.error}: ${answer?.detail}`));
      });
    } catch (error) {
      again(error);
    }
  }

  // Messages that come.

  #receive(message, ack) {
    const id = typeof message?.id === "string" && message.id && message.id.length <= ID_CHARACTERS ? message.id : undefined;
    const place = { ack, session: this.#socket.id };
    this.#awaitQuiet();
    if (this.#owed.has(id)) {
      const owed = this.#owed.get(id);
      this.#owed.delete(id);
      this.#answer(place, id, owed);
    } else if (this.#handled.has(id)) {
      this.#answer(place, id);
    } else if (this.#running.has(id)) {
      Object.assign(this.#running.get(id), place); // its handler has not ended: the newest callback counts
    } else {
      if (id !== undefined) this.#running.set(id, place);
      this.#waiting++;
      this.#line = this.#line.then(() => this.#turn(id, message, place));
    }
  }

  async #turn(id, message, place) {
    if (this.#isLive(place)) {
      let timer;
      const patience = new Promise((resolve) => (timer = setTimeout(resolve, this.#options.patienceMs)));
      await Promise.race([this.#handle(id, message, place), patience]);
      clearTimeout(timer);
    } else {
      this.#running.delete(id); // not begun, and the connection it came by is gone: it comes again, in its order
    }
    this.#waiting--;
    this.#awaitQuiet();
  }

  async #handle(id, message, place) {
    let value;
    try {
      value = this.#options.onMessage(message);
      // No await without need: nothing comes between what a plain function did and the note of it.
      if (typeof value?.then === "function") value = await value;
    } catch (error) {
      if (!(error instanceof Refused)) {
        this.#running.delete(id); // so that the handler is called again when the message comes again
        this.#report(error, message);
        return;
      }
      value = { error: error.message || "refused" };
    }
    if (id !== undefined && !isRefusal(value)) this.#note(id);
    this.#running.delete(id);
    this.#answer(place, id, this.#json(value));
  }

  #json(value) {
    try {
      return value === undefined ? undefined : JSON.parse(JSON.stringify(value) ?? "null");
    } catch (error) {
      this.#report(error);
      return undefined;
    }
  }

  #answer(place, id, value) {
    // A callback of an earlier connection would answer another message of this one.
    if (this.#isLive(place)) value === undefined ? place.ack?.() : place.ack?.(value);
    else if (id !== undefined && value !== undefined) this.#owe(id, value);
  }

  #owe(id, value) {
    this.#owed.set(id, value);
    if (this.#owed.size > SEEN) this.#owed.delete(this.#owed.keys().next().value);
  }

  #isLive = (place) => this.#socket.connected && place.session === this.#socket.id;

  #note(id) {
    this.#remember(id);
    const kept = [].concat(this.#shelf.get("seen") ?? []).filter((other) => other !== id); // other tabs' too
    this.#shelf.set("seen", [...kept, id].slice(-SEEN));
  }

  #remember(id) {
    this.#handled.delete(id);
    this.#handled.add(id);
    if (this.#handled.size > SEEN) this.#handled.delete(this.#handled.values().next().value);
  }

  // Messages that go.

  #flush() {
    const busy = new Set(); // recipients: one message at a time for each, because order hangs on it
    for (const entry of [...this.#outbox.values()]) {
      if (!busy.has(entry.to) && !entry.underWay && this.#socket.connected) this.#transmit(entry);
      if (this.#outbox.has(entry.id)) busy.add(entry.to);
    }
  }

  #transmit(entry) {
    const { id, to, data, type, ttl, at } = entry;
    if (entry.adopted && !this.#shelf.get(`out.${id}`)) return this.#outbox.delete(id); // another tab sent it
    const left = ttl === undefined ? undefined : ttl - Math.max(0, Date.now() - at) / 1000;
    if (left <= 0) return this.#sent(entry, new NotSent("expired"));
    entry.underWay = true;
    this.#socket.timeout(ANSWER_MS).emit("send", { id, to, data, type, ttl: left }, (error, answer) => {
      if (answer?.ok || FINAL.has(answer?.error)) {
        this.#sent(entry, answer.ok ? null : new NotSent(answer.error, answer.detail), answer.id);
        return this.#flush();
      }
      const wait = this.#socket.connected ? backoffMs(entry.tries ?? 0) : 0;
      entry.tries = (entry.tries ?? 0) + 1;
      setTimeout(() => {
        entry.underWay = false;
        this.#flush();
      }, wait);
    });
  }

  #sent(entry, error, id) {
    if (!this.#outbox.delete(entry.id)) return;
    this.#shelf.remove(`out.${entry.id}`);
    error ? entry.reject?.(error) : entry.resolve?.(id);
    this.#options.onSent?.({ id: entry.id, to: entry.to, data: entry.data, type: entry.type, ttl: entry.ttl }, error);
  }

  // The rest.

  #after(name, ms, act) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      act();
    }, Math.min(ms, LONGEST_TIMER_MS));
  }

  #stopTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }

  #awaitQuiet() {
    if (this.state !== "catching-up") return;
    this.#after("quiet", QUIET_MS, () => (this.#waiting ? undefined : this.#state("online", "")));
  }

  #state(state, reason) {
    const changed = state !== this.state;
    Object.assign(this, { state, reason });
    if (changed) this.#options.onState?.(state, reason);
  }

  #report(error, message) {
    this.#options.onError ? this.#options.onError(error, message) : console.error(error);
  }
}
