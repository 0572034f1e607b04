"""The gateway: holds the clients' connections and reports what they confirm. It reads no user queue."""
