// The demo put together: two people, the post office between them, and what they write when they are told to.

import { Controls } from "./controls.js";
import { Letters } from "./letters.js";
import { Office } from "./office.js";
import { Person } from "./person.js";

const WRITING_MS = 400;
const USER = /^[A-Za-z0-9._:@+|=~-]{1,128}$/;

const settings = JSON.parse(document.getElementById("settings").textContent);
// ?people=carol,dave for others than these.
const asked = new URLSearchParams(location.search).get("people")?.split(",") ?? [];
const users = asked.length === 2 && asked.every((user) => USER.test(user)) && asked[0] !== asked[1] ? asked : ["alice", "bob"];

const people = [];
const letters = new Letters((letter) => {
  for (const person of people) person.changed(letter);
  office.tally(letters);
});
const controls = Controls.of(location.hash);
const office = new Office(users, (service) => controls.kill(service));
const element = document.querySelector(".office");
people.push(new Person(users[0], users[1], { settings, letters, place: (person) => element.before(person) }));
people.push(new Person(users[1], users[0], { settings, letters, place: (person) => element.after(person) }));

let written = 0;
let writing;
const keepWriting = document.getElementById("writing");
keepWriting.checked = false;
keepWriting.addEventListener("change", () => {
  clearInterval(writing);
  if (keepWriting.checked) writing = setInterval(() => people[written++ % 2].write(`letter ${Math.ceil(written / 2)}`), WRITING_MS);
});

if (controls) controls.watch(users, (state) => office.told(state));
