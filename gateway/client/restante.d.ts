/**
 * restante's client: each message is handled once, confirmed when its handler is done, and what is sent arrives.
 *
 * Guarantees, for messages whose publisher set a `message_id`:
 * - `onMessage` is called once for each message, although it may be sent again: in this page always, and across
 *   reloads with `storage`. It is called again only where it threw, or where the page ended before it was done
 *   (what a handler does after its last `await`, or without any, is noted in the same step).
 * - Handlers run one after the other, in the order of the user's queue. One that takes longer than `patienceMs`
 *   no longer holds up the others.
 * - A message is confirmed only after its handler's promise was fulfilled.
 * - What `send` took is sent until the gateway says that the broker holds it, with one id, so it arrives once in
 *   effect; messages to one recipient keep their order. With `storage` this goes on after a reload.
 *
 * Every tab is a session of its own, is sent each message that comes while it is connected, and handles it.
 * What any tab handled is not handled again by a tab that is opened later. Two tabs may both send what a third left
 * behind: with the same id, so it arrives once.
 */

/** What is used of a socket of socket.io-client 4. */
export interface SocketLike {
  id?: string;
  connected: boolean;
  active: boolean;
  auth: unknown;
  io: { engine: unknown };
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  emit(event: string, ...args: any[]): unknown;
  timeout(milliseconds: number): { emit(event: string, ...args: any[]): unknown };
  connect(): unknown;
  disconnect(): unknown;
}

/** What is used of `localStorage`. */
export interface StorageLike {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Message<Data = any> {
  /** Unique for this user among what may be under way; fresh at each try if the publisher set no `message_id`. */
  id: string;
  /** JSON, a string, or binary: an `ArrayBuffer` in browsers, a `Buffer` in Node. */
  data: Data;
  type: string;
  /** The user who sent it; null for a message of a publisher. */
  from: string | null;
  /** When it was sent, in milliseconds since 1970. */
  timestamp: number | null;
  /** An earlier try is known. `onMessage` need not look at it. */
  redelivered: boolean;
}

export interface SendOptions {
  /**
   * 1 to 126 printable ASCII characters; random if left out. The same id sent twice arrives once: name what you
   * send (`order-17`), and a page that starts over may send again.
   */
  id?: string;
  /** Free text for the application, at most 255 bytes. */
  type?: string;
  /** Seconds, from the call on, after which nobody wants it any more. */
  ttl?: number;
}

export interface Outgoing<Data = any> extends SendOptions {
  id: string;
  to: string;
  data: Data;
}

/**
 * - `offline`: no session; what comes waits in the queue, what is sent waits in the outbox.
 * - `catching-up`: a session, and what waited is coming. Ends after half a second in which nothing came: an
 *   estimate, since nobody says that a queue is empty.
 * - `online`: a session, and what comes comes as it is published.
 */
export type State = "offline" | "catching-up" | "online";

export interface Options {
  /**
   * A JWT, or better a function that fetches one: it is asked at each login, before the token ends (a third of its
   * life, at most 30 s) and after `token_expired`. One that fails is asked again, with growing pauses, and reported.
   */
  token: string | (() => string | Promise<string>);
  /**
   * Handles one message. What it returns (JSON, or a promise of it) goes into the publisher's receipt.
   * - throws `Refused`: the message becomes a dead letter. `{ error: "reason" }` as the value means the same.
   * - throws anything else: reported, not confirmed. The gateway closes the connection after its confirm timeout
   *   (30 s) and sends the message again, then this is called again; after 5 tries it becomes a dead letter.
   * - never ends: the same, except that it is not called again while it runs.
   */
  onMessage(message: Message): unknown;
  /**
   * Where the last 256 handled ids and the outbox outlive a reload: "local", "session", or an object like them.
   * Left out: memory. One that is full or forbidden is reported once, and memory has to do.
   */
  storage?: "local" | "session" | StorageLike;
  /** The user id, under which things are stored. Required with `storage`, or one user would send another's messages. */
  user?: string;
  /** `reason`: why offline, in socket.io-client's words, or "replaced", or the `connect_error`'s. */
  onState?(state: State, reason: string): void;
  /** A message left the outbox: the broker holds it (null), or it never will. Also for what an earlier page sent. */
  onSent?(message: Outgoing, error: NotSent | null): void;
  /** What went wrong: a handler (then with its message), the token, the storage, a login. Default: `console.error`. */
  onError?(error: Error, message?: Message): void;
  /** Milliseconds. Default 20,000: keep it below the gateway's confirm timeout (30 s). */
  patienceMs?: number;
  /** The gateway's MAX_MESSAGE_BYTES. Default 262,144. Larger data is not tried: it would end the connection. */
  maxBytes?: number;
}

/** Thrown by a handler: this message can never be handled. The reason goes to the dead letters and the receipt. */
export class Refused extends Error {
  constructor(reason: string);
}

/** A message that will not be sent. Everything else that may go wrong is tried again. */
export class NotSent extends Error {
  constructor(code: string, detail?: string);
  readonly code: "bad_request" | "forbidden" | "too_large" | "expired" | "outbox_full" | "forgotten";
}

export class Client {
  /**
   * Takes the socket over: sets its `auth` and connects it. Make it with `io(url, { autoConnect: false,
   * transports: ["websocket"] })`, and no `retries`. Throws a TypeError for options that make no sense.
   */
  constructor(socket: SocketLike, options: Options);

  readonly state: State;
  readonly reason: string;
  /** It will not come back by itself: `disconnect`, "replaced", "io server disconnect", a login refused for good. */
  readonly stopped: boolean;
  /** What waits for the gateway's ok, at most 1,000 messages, oldest first. */
  readonly outbox: Outgoing[];

  /** Come back after `disconnect`, or after the gateway sent this client away. Idempotent. */
  connect(): void;
  /** Leave; what waits stays. Idempotent. */
  disconnect(): void;
  /** Leave for good and let go of the socket. */
  close(): void;
  /** Delete what is stored of this user (at logout, on a shared computer); what waits in the outbox is not sent. */
  forget(): void;
  /**
   * Resolves with the message's full id (`<sender>/<id>`) once the broker holds it, however long that takes.
   * Rejects with `NotSent`. An id that waits in the outbox already is not sent twice.
   */
  send(to: string, data: unknown, options?: SendOptions): Promise<string>;
}
