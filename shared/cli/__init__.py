"""The command `restante`: what an operator or a developer types, to publish, to listen and to look."""

from shared.cli.app import main

__all__ = ["main"]
