"""One machine, one command: a RabbitMQ of the project's own and both services, started together and ended together."""
