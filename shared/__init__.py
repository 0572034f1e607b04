"""What the gateway and the dispatcher have in common: names, wire form, settings, broker link, commands."""
