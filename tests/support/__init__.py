"""What the tests stand on: processes, clients, publishers, and the judge of a history."""
