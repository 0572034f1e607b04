"""`python -m deploy.local`, which is what `make run` runs."""

import sys

from deploy.local.run import main

sys.exit(main())
