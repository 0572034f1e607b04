import { randomUUID } from "node:crypto";
import amqp from "amqplib";

const connection = await amqp.connect(process.env.BROKER_URL);
const channel = await connection.createConfirmChannel();
channel.publish("messages", "alice", Buffer.from(JSON.stringify({ hello: "from amqplib" })), {
  messageId: randomUUID(),
  contentType: "application/json",
  persistent: true,
});
await channel.waitForConfirms(); // rejects unless the broker holds the message
await connection.close();
