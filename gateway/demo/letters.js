// What became of each message between the people of this page; no page in here, only what is known.

const MOST = 5000;

// A letter's state: waiting (in its writer's outbox), queued (the broker holds it), flight (its reader was sent it),
// handled (read, but the connection went before the confirmation), confirmed, failed (it will not be sent).
export class Letters {
  held = 0;
  confirmed = 0;
  twice = 0;
  disordered = 0;
  #letters = new Map(); // full id -> letter
  #written = 0;
  #lastRead = new Map(); // "writer reader" -> number of the letter read last
  #changed;

  constructor(changed) {
    this.#changed = changed;
  }

  written(id, from, to) {
    return this.#keep({ id, from, to, state: "waiting", number: this.#written++, isHeld: false, readings: 0, why: "" });
  }

  // The broker says that it holds it.
  isHeld(id) {
    const letter = this.#letters.get(id);
    if (!letter || letter.isHeld) return;
    letter.isHeld = true;
    this.held++;
    this.#becomes(letter, "queued", ["waiting"]);
  }

  failed(id, why) {
    const letter = this.#letters.get(id);
    if (!letter) return;
    letter.why = why;
    this.#becomes(letter, "failed", ["waiting"]);
  }

  // Its reader was sent it; of one that this page did not write only that much is known.
  arrived(id, from, to) {
    if (!this.#letters.has(id)) {
      this.#keep({ id, from, to, state: "queued", number: null, isHeld: true, readings: 0, why: "" });
      this.held++;
    }
    const letter = this.#letters.get(id);
    this.#becomes(letter, "flight", ["waiting", "queued"]);
    return letter;
  }

  read(id, stillConnected) {
    const letter = this.#letters.get(id);
    if (!letter) return;
    if (++letter.readings > 1) this.twice++;
    if (letter.number !== null) {
      const line = `${letter.from} ${letter.to}`;
      if (letter.number < (this.#lastRead.get(line) ?? -1)) this.disordered++;
      this.#lastRead.set(line, letter.number);
    }
    if (stillConnected) this.#confirm(letter);
    else this.#becomes(letter, "handled", ["waiting", "queued", "flight"]);
  }

  // Its connection is gone: what was in flight goes back to its place in the queue.
  left(reader) {
    for (const letter of this.#letters.values()) if (letter.to === reader) this.#becomes(letter, "queued", ["flight"]);
  }

  // It is back, and has said which letters it handled.
  back(reader) {
    for (const letter of this.#letters.values()) if (letter.to === reader && letter.state === "handled") this.#confirm(letter);
  }

  #confirm(letter) {
    if (letter.state === "confirmed") return;
    this.confirmed++;
    this.#becomes(letter, "confirmed", ["waiting", "queued", "flight", "handled"]);
  }

  #becomes(letter, state, from) {
    if (!from.includes(letter.state)) return;
    letter.state = state;
    this.#changed(letter);
  }

  #keep(letter) {
    this.#letters.set(letter.id, letter);
    if (this.#letters.size > MOST) this.#letters.delete(this.#letters.keys().next().value);
    return letter;
  }
}
