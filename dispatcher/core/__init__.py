"""The dispatcher's rules without I/O: partitions, leases, deliveries, attempts, first contact."""
