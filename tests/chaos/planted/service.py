"""One service with a deliberate fault: `python -m tests.chaos.planted.service has_no_ring gateway`.

The fault is put into this process alone: the files stay as they are.
"""

import sys

from tests.chaos.planted.faults import PLANTED, knows_no_tag_below_one


def main() -> int:
    name, service = sys.argv[1:]
    for owner, attribute, value in (*knows_no_tag_below_one(), *PLANTED[name].fault()):
        setattr(owner, attribute, value)
    sys.argv = [service]
    if service == "gateway":
        from gateway.__main__ import main as run  # noqa: PLC0415 -- only after the fault is in
    else:
        from dispatcher.__main__ import main as run  # noqa: PLC0415
    return run()


if __name__ == "__main__":
    sys.exit(main())
