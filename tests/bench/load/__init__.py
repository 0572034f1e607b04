"""What makes the load: lean clients and a lean publisher, in processes of their own."""
