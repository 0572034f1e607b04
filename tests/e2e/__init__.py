"""Both services as processes, real clients, a real broker: what a user sees."""
