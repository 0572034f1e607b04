// What a Node team would write instead of restante: Socket.IO and RabbitMQ in one process, the broker acked after the
// client's callback. `node all_in_one.mjs promise|callback BROKER_URL WINDOW`; prints its port.
import { createServer } from "node:http";

import { connect } from "amqplib";
import { Server } from "socket.io";

const CONFIRM_TIMEOUT_MS = 30_000;
const [style, brokerUrl, window] = process.argv.slice(2);

const connection = await connect(brokerUrl);
const channel = await connection.createChannel();
await channel.prefetch(Number(window)); // for each consumer
await channel.assertExchange("messages", "direct", { durable: true });

const deliver = {
  async promise(socket, message, envelope) {
    try {
      await socket.timeout(CONFIRM_TIMEOUT_MS).emitWithAck("message", envelope);
      channel.ack(message);
    } catch {
      socket.disconnect(true);
    }
  },
  callback(socket, message, envelope) {
    socket.emit("message", envelope, () => channel.ack(message));
  },
}[style];

const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 10_000, pingTimeout: 8_000 });
io.on("connection", async (socket) => {
  const { user } = socket.handshake.auth;
  const queue = `user.${user}`;
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, "messages", user);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) return;
    const { messageId, timestamp, type } = message.properties;
    const data = JSON.parse(message.content.toString());
    deliver(socket, message, { id: messageId, data, type, timestamp, redelivered: message.fields.redelivered });
  });
  const leave = () => channel.cancel(consumerTag);
  if (socket.connected) socket.on("disconnect", leave);
  else leave();
});
http.listen(0, "127.0.0.1", 4096, () => console.log(http.address().port));
