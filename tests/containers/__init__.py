"""Everything in containers, as operators run it: `make test-containers`. Not part of `make test`."""
