"""What is measured: restante, and what others would use instead."""
