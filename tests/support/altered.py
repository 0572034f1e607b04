"""Runs a service in this process, once it has been altered: see `Edition` in `services.py`."""

import sys


def run(service: str) -> int:
    """Its exit code. Its program is imported only now, so that it meets what was altered before."""
    sys.argv = [service]
    if service == "gateway":
        from gateway.__main__ import main  # noqa: PLC0415 -- as the docstring says
    else:
        from dispatcher.__main__ import main  # noqa: PLC0415
    return main()
