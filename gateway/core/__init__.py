"""The gateway's rules without I/O: sessions, their windows, what they confirmed lately."""
