"""`python -m gateway`: one gateway, configured by the environment."""

import asyncio
import sys

from shared import unused  # noqa: F401 -- before the others: it keeps them small

# isort: split
from gateway.app import run
from gateway.keys import KeysAway
from gateway.lane import LANE
from gateway.settings import GatewaySettings
from shared import garbage, lanes, log
from shared.http import CannotListen
from shared.settings import EXIT_BAD_SETTING, help_text, load

INTRO = """python -m gateway

Holds the Socket.IO connections of clients and tells the dispatchers what they confirm."""


def main() -> int:
    """The exit code: 0 after a drain, 1 when it cannot listen, 2 for arguments, 3 for a wrong setting."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(help_text(GatewaySettings, INTRO) + "\n")
        return 0
    if sys.argv[1:]:
        sys.stderr.write("python -m gateway takes no arguments but --help: it is configured by the environment\n")
        return 2
    settings = load(GatewaySettings)
    log.configure(settings.log_level, settings.log_format)
    lanes.choose()
    garbage.leave_the_start_alone()
    if LANE.taken:  # what the libraries keep of a client that has left goes round in circles
        garbage.look_seldom()
    code = 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings))
    except* CannotListen as group:
        log.get(__name__).error("cannot start", reason=str(group.exceptions[0]))
        code = 1
    except* KeysAway as group:
        sys.stderr.write(f"GATEWAY_JWKS_FILE: {group.exceptions[0]}\n")
        code = EXIT_BAD_SETTING
    return code


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 -- optional: not on every platform
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
