"""RabbitMQ as code: the virtual host, what is in it, who may do what there, and how long messages stay."""
