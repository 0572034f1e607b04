"""How fast the pair is, and what it costs."""
