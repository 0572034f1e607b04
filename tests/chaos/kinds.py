"""Which kinds of mishap come: those of every run, and those that come when they are asked for by name."""

from collections.abc import Sequence

from tests.chaos.channel_errors import CHANNEL_ERRORS
from tests.chaos.forgetful import FORGETFUL
from tests.chaos.full_disk import FULL_DISK
from tests.chaos.mishaps import BREAKS, Break

GROUPS: dict[str, Sequence[Break]] = {
    "usual": BREAKS,
    "channel-errors": CHANNEL_ERRORS,
    "forgetful": FORGETFUL,
    "full-disk": FULL_DISK,
    "all": (*BREAKS, *CHANNEL_ERRORS, *FORGETFUL, *FULL_DISK),
}
"""`usual` is what a seed alone draws from: the same seed, the same run, so nothing is added there lightly."""


def named(names: str) -> list[Break]:
    """Of groups and single kinds, with commas between. Raises ValueError with all that there are."""
    single: dict[str, Sequence[Break]] = {_name(broken): [broken] for group in GROUPS.values() for broken in group}
    known = {**GROUPS, **single}
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"no kind of mishap is called {', '.join(unknown)}; there are {', '.join(known)}")
    return list(dict.fromkeys(broken for name in wanted for broken in known[name]))


def _name(broken: Break) -> str:
    return broken.__name__.replace("_", "-")
