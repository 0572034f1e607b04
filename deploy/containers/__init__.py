"""`make up` and `make down`: all of restante in containers on one machine, with secrets made on the first run.

Needs nothing but Python and Docker, so nothing here imports what is not in the standard library.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 -- `make up` runs with whatever python3 is there
    sys.exit(
        "restante's containers are started with Python 3.11 or newer, and this is %s. Name another one:\n"  # noqa: UP031
        "    make up PYTHON=python3.12" % sys.version.split()[0]
    )
