"""What restante relies on in RabbitMQ, said once and asked of the simulated broker and of the real one alike."""
