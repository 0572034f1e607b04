rabbitmqadmin publish exchange=messages routing_key=alice \
  payload='{"hello": "from rabbitmqadmin"}' \
  properties='{"message_id": "greeting-1", "content_type": "application/json", "delivery_mode": 2}'
