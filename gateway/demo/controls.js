// What `make run` lets this page see and do: how full queues are, and killing a service. Its address and its secret
// are in the fragment of the page's address, which goes to no server; without them there is nothing of this.

const PAUSE_MS = 500;
const PATIENCE_MS = 4000;

export class Controls {
  #url;
  #headers;

  // Null where the page's address names none.
  static of(fragment) {
    const found = /^#controls=(\d{1,5})\.([\w-]+)$/.exec(fragment);
    return found && new Controls(Number(found[1]), found[2]);
  }

  constructor(port, secret) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#headers = { authorization: `Bearer ${secret}` };
  }

  // For ever: `told` gets what there is to know, or null while nobody answers.
  async watch(users, told) {
    const query = new URLSearchParams(users.map((user) => ["user", user]));
    for (;;) {
      if (!document.hidden) told(await this.#ask(`/state?${query}`));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  // Whether it was asked for; that it happens is seen in the state.
  async kill(service) {
    return (await this.#ask(`/kill/${service}`, "POST")) !== null;
  }

  async #ask(path, method = "GET") {
    try {
      const options = { method, headers: this.#headers, signal: AbortSignal.timeout(PATIENCE_MS) };
      const answer = await fetch(this.#url + path, options);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }
}
