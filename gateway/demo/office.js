// The post office between the two: queues, what became of the messages, and the services that can be killed.

const MOST_SHOWN = 24;
const DOES = {
  gateway: "holds the connections",
  dispatcher: "brings messages to gateways",
};
const byId = (id) => document.getElementById(id);
const made = (id) => byId(id).content.firstElementChild.cloneNode(true);

// Screen readers repeat what is written anew, even when it is the same.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Office {
  #element = document.querySelector(".office");
  #queues = new Map();
  #services = new Map();
  #killed = new Map(); // service -> how often it had been killed before
  #kill;

  constructor(users, kill) {
    this.#kill = kill;
    for (const user of users) {
      const row = made("queue");
      row.dataset.user = user;
      row.querySelector("code").textContent = `user.${user}`;
      this.#queues.set(user, row);
    }
    this.#element.querySelector(".queues").append(...this.#queues.values());
    byId("publish").textContent = `.venv/bin/restante publish ${users[0]} '"hello"'`;
  }

  tally({ held, confirmed, twice, disordered }) {
    const counts = { held, confirmed, "under-way": Math.max(0, held - confirmed), twice, disordered };
    for (const [id, count] of Object.entries(counts)) say(byId(id), String(count));
    byId("twice").classList.toggle("bad", twice > 0);
    byId("disordered").classList.toggle("bad", disordered > 0);
  }

  // What the controls say, or null while they do not answer.
  told(state) {
    for (const list of this.#element.querySelectorAll(".queues, .services, .terminal")) list.hidden = false;
    byId("without-controls").hidden = true;
    for (const [user, row] of this.#queues) this.#depth(row, state?.queues?.[user]);
    for (const service of state?.services ?? []) this.#service(service);
    if (state === null) this.news("make run does not answer; it may have ended.");
    else if (this.#element.querySelector(".news").textContent.startsWith("make run")) this.news("");
  }

  news(text) {
    say(this.#element.querySelector(".news"), text);
  }

  #depth(row, queue) {
    const empty = queue && queue.ready + queue.unacked === 0;
    const words = empty ? "empty" : queue ? `${queue.ready} waiting, ${queue.unacked} in flight` : "not known";
    say(row.querySelector(".depth"), words);
    const kinds = [...Array(queue?.unacked ?? 0).fill("unacked"), ...Array(queue?.ready ?? 0).fill("ready")];
    const pile = row.querySelector(".pile");
    pile.replaceChildren(...kinds.slice(0, MOST_SHOWN).map((kind) => Object.assign(document.createElement("i"), { className: kind })));
    if (kinds.length > MOST_SHOWN) pile.append(`+${kinds.length - MOST_SHOWN}`);
  }

  #service({ name, pid, serves, kills }) {
    if (!this.#services.has(name)) this.#addService(name);
    const row = this.#services.get(name);
    const often = kills === 0 ? "" : kills === 1 ? ", killed once" : `, killed ${kills} times`;
    row.dataset.serves = serves;
    say(row.querySelector(".serves"), serves ? `serves, pid ${pid}${often}` : `down${often}; starting again`);
    row.querySelector(".kill").setAttribute("aria-disabled", String(!serves));
    row.dataset.kills = kills;
    if (serves && kills > (this.#killed.get(name) ?? Infinity)) {
      this.#killed.delete(name);
      this.news(`The ${name} is back.`);
    }
  }

  #addService(name) {
    const row = made("service");
    const kill = row.querySelector(".kill");
    row.dataset.name = name;
    row.querySelector("strong").textContent = name;
    row.querySelector(".what").textContent = DOES[name] ?? "";
    kill.textContent = "kill -9";
    kill.setAttribute("aria-label", `Kill the ${name} (kill -9)`);
    kill.addEventListener("click", async () => {
      if (kill.getAttribute("aria-disabled") === "true") return; // and stays focused, which `disabled` would not
      kill.setAttribute("aria-disabled", "true");
      this.#killed.set(name, Number(row.dataset.kills));
      this.news(`The ${name} is killed in mid-work, and will be started again.`);
      if (!(await this.#kill(name))) this.news(`The ${name} could not be killed.`);
    });
    this.#services.set(name, row);
    this.#element.querySelector(".services").append(row);
  }
}
