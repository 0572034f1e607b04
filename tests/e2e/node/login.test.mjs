// The page's client without a gateway: when it asks for tokens; run by `node --test`.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Client } from "../../../gateway/client/restante.js";

// As much of socket.io-client's as a login needs. `opened` is what happens when a transport has come about.
class Socket {
  connected = false;
  active = false;
  io = { engine: {} };
  given = [];
  on() {}
  off() {}
  connect() {
    this.active = true;
  }
  disconnect() {
    this.active = false;
  }
  opened() {
    this.auth((auth) => this.given.push(auth));
  }
}

const turns = async () => {
  for (let n = 0; n < 10; n++) await Promise.resolve();
};

test("a login that fails is tried again, until the client is closed", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let asked = 0;
  const token = async () => {
    asked++;
    throw new Error("not now");
  };
  const socket = new Socket();
  const client = new Client(socket, { token, onMessage() {}, onError() {} });
  socket.opened();
  await turns();
  mock.timers.tick(1000);
  assert.equal(asked, 2);
  client.close(); // while the second one is under way
  await turns();
  for (let n = 0; n < 5; n++) {
    mock.timers.tick(60_000);
    await turns();
  }
  assert.equal(asked, 2);
  mock.timers.reset();
});

test("a token that comes after the client was closed is not given to anybody", async () => {
  let bring;
  const socket = new Socket();
  const client = new Client(socket, { token: () => new Promise((resolve) => (bring = resolve)), onMessage() {} });
  socket.opened();
  await turns();
  client.close();
  bring("t");
  await turns();
  assert.deepEqual(socket.given, []);
});
