"""The dispatcher as one, on a real RabbitMQ, with gateways and publishers that speak to it over the broker only."""
