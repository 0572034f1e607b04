"""Whether a fast lane is taken: code of ours beside the libraries, on a path that every message takes.

It stands on what the libraries do inside, so it is taken only with the versions that it was proven with. With others
everything goes the libraries' own way: slower, and the same in all else.
"""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from shared import log

PLAIN = "RESTANTE_LANES"
"""Set to `plain`, this environment variable keeps to the libraries: the tests run both ways."""

_log = log.get(__name__)


_LANES: "list[FastLane]" = []


def choose() -> None:
    """Decides for every lane now, at the start: it reads files, and later there may be none left to open."""
    for lane in _LANES:
        lane.taken  # noqa: B018 -- it remembers


class FastLane:
    """`proven` says how the version of each package has to begin; `intact` looks at what no version tells."""

    def __init__(self, what: str, proven: Mapping[str, str], intact: Callable[[], bool] = lambda: True) -> None:
        _LANES.append(self)
        self._what = what
        self._proven = proven
        self._intact = intact

    @cached_property
    def taken(self) -> bool:
        """Asked once for a process. Warns if the libraries are others."""
        if os.environ.get(PLAIN) == "plain":
            return False
        found = {name: _version(name) for name in self._proven}
        if all(found[name].startswith(begin) for name, begin in self._proven.items()) and self._intact():
            return True
        _log.warning("slow lane taken: the fast one is not proven with these libraries", lane=self._what, **found)
        return False


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
