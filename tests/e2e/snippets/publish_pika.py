import json
import os
import uuid

import pika

connection = pika.BlockingConnection(pika.URLParameters(os.environ["BROKER_URL"]))
channel = connection.channel()
channel.confirm_delivery()  # from here on basic_publish raises unless the broker holds the message
channel.basic_publish(
    exchange="messages",
    routing_key="alice",
    body=json.dumps({"hello": "from pika"}),
    properties=pika.BasicProperties(message_id=str(uuid.uuid4()), content_type="application/json", delivery_mode=2),
    mandatory=True,
)
connection.close()
