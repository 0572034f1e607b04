"""`python -m dispatcher`: one dispatcher, configured by the environment."""

import asyncio
import gc
import sys

from shared import unused  # noqa: F401 -- before the others: it keeps them small

# isort: split
from dispatcher.app import run
from dispatcher.settings import Settings
from shared import lanes, log
from shared.http import CannotListen
from shared.settings import help_text, load

_INTRO = """usage: python -m dispatcher

Reads the queues of connected users, forwards to gateways, and acks the broker once a client confirmed."""


def main() -> int:
    """The exit code: 0 after a drain, 1 when it cannot listen, 2 for arguments, 3 for a wrong setting."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(help_text(Settings, _INTRO) + "\n")
        return 0
    if sys.argv[1:]:
        sys.stderr.write("python -m dispatcher takes no arguments but --help: it is configured by the environment\n")
        return 2
    settings = load(Settings)
    log.configure(settings.log_level, settings.log_format)
    lanes.choose()
    gc.freeze()  # all that the modules hold: a full collection need not look through that again and again
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings))
    except CannotListen as err:
        log.get(__name__).error("cannot start", reason=str(err))
        return 1
    return 0


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop  # noqa: PLC0415 -- there is none for Windows and PyPy
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
