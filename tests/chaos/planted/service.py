"""One service with a deliberate fault: `python -m tests.chaos.planted.service has_no_ring gateway`.

The fault is put into this process alone: the files stay as they are.
"""

import sys

from tests.chaos.planted.faults import CONTROL, PLANTED, knows_no_tag_below_one
from tests.support.altered import run


def main() -> int:
    name, service = sys.argv[1:]
    planted = CONTROL if name == CONTROL.name else PLANTED[name]
    for owner, attribute, value in (*knows_no_tag_below_one(), *planted.fault()):
        setattr(owner, attribute, value)
    return run(service)


if __name__ == "__main__":
    sys.exit(main())
