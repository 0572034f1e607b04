// The demo page's account of what became of each message; run by `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Letters } from "../../../gateway/demo/letters.js";

function account() {
  const seen = [];
  const letters = new Letters((letter) => seen.push(`${letter.id} ${letter.state}`));
  return { letters, seen };
}

test("a letter is held, sent to its reader, read and confirmed", () => {
  const { letters, seen } = account();
  letters.written("a/1", "a", "b");
  letters.isHeld("a/1");
  letters.arrived("a/1", "a", "b");
  letters.read("a/1", true);
  assert.deepEqual(seen, ["a/1 queued", "a/1 flight", "a/1 confirmed"]);
  assert.deepEqual([letters.held, letters.confirmed, letters.twice, letters.disordered], [1, 1, 0, 0]);
});

test("the broker's answer that comes after the letter itself does not set it back", () => {
  const { letters, seen } = account();
  letters.written("a/1", "a", "b");
  letters.arrived("a/1", "a", "b");
  letters.read("a/1", true);
  letters.isHeld("a/1");
  assert.deepEqual(seen, ["a/1 flight", "a/1 confirmed"]);
  assert.equal(letters.held, 1);
});

test("what was in flight to somebody who left is in the queue again, and only theirs", () => {
  const { letters, seen } = account();
  for (const [id, from, to] of [["a/1", "a", "b"], ["b/1", "b", "a"]]) {
    letters.written(id, from, to);
    letters.arrived(id, from, to);
  }
  letters.left("b");
  assert.deepEqual(seen.slice(2), ["a/1 queued"]);
});

test("a letter whose reader lost the connection while reading is confirmed on coming back", () => {
  const { letters, seen } = account();
  letters.written("a/1", "a", "b");
  letters.arrived("a/1", "a", "b");
  letters.left("b");
  letters.read("a/1", false);
  letters.back("a");
  assert.equal(seen.at(-1), "a/1 handled");
  letters.back("b");
  assert.equal(seen.at(-1), "a/1 confirmed");
  assert.deepEqual([letters.confirmed, letters.twice], [1, 0]);
});

test("a letter that is read twice, and one that is read too late, are counted", () => {
  const { letters } = account();
  for (const id of ["a/1", "a/2"]) letters.written(id, "a", "b");
  for (const id of ["a/2", "a/1", "a/1"]) {
    letters.arrived(id, "a", "b");
    letters.read(id, true);
  }
  assert.deepEqual([letters.confirmed, letters.twice, letters.disordered], [2, 1, 1]);
});

test("a publisher's message, and one that cannot be sent, are told apart from the others", () => {
  const { letters, seen } = account();
  letters.arrived("p", null, "b");
  letters.read("p", true);
  letters.written("a/1", "a", "b");
  letters.failed("a/1", "too_large");
  assert.deepEqual(seen, ["p flight", "p confirmed", "a/1 failed"]);
  assert.deepEqual([letters.held, letters.confirmed], [1, 1]);
});
