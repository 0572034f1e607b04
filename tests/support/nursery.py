"""`python -m tests.support.nursery gateway`: imports a service once, and forks it whenever its standard input asks.

From there on a fork goes the way of `python -m gateway`: its `main`, with an environment and a log of its own. It
imports nothing else, which the service would then find imported.
"""

import contextlib
import importlib
import json
import os
import signal
import sys


def serve(service: str) -> None:
    """Numbered lines: an environment and a log are answered by a fork's pid, a pid by its exit code or null."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then end what they started
    _import(service)
    while line := sys.stdin.readline():
        number, asked = json.loads(line)
        if isinstance(asked, int):
            pid, status = os.waitpid(asked, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif not (answer := os.fork()):
            _be(service, **asked)
        sys.stdout.write(json.dumps([number, answer]) + "\n")
        sys.stdout.flush()


def _import(service: str) -> None:
    importlib.import_module(f"{service}.__main__")
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop")  # as `main` does


def _be(service: str, environment: dict[str, str], log: str) -> None:
    """What `subprocess.Popen` and Python do before `main`."""
    for number, name, how in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        opened = os.open(name, how)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [service]
    sys.exit(sys.modules[f"{service}.__main__"].main())


if __name__ == "__main__":
    serve(sys.argv[1])
