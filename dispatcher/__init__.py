"""The dispatcher: consumes the queues of connected users and acks the broker once a client confirmed."""
