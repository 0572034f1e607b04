"""What became of everything that dispatchers forwarded, in plain numbers that only grow: each message is counted.

Two sums hold between any two facts, message and session together being one:
`forwarded = emitted + known + repeated + strangers + withdrawn + waiting`, and
`emitted = confirmed + refused + unanswered + out`, with `waiting` and `out` counted in the sessions' own tables.
"""

from dataclasses import dataclass, field

from shared.wire import OutcomeKind


@dataclass(slots=True)
class Ledger:
    """`known` were in the ring, `repeated` in flight or waiting already; of `strangers` the session was not here.

    `withdrawn` waited for room and were never emitted: settled elsewhere, or their session or the link ended.
    `unanswered` were emitted to a session that ended without an answer.
    `outcomes` are what dispatchers were told.
    """

    forwarded: int = 0
    emitted: int = 0
    known: int = 0
    repeated: int = 0
    strangers: int = 0
    withdrawn: int = 0
    confirmed: int = 0
    refused: int = 0
    unanswered: int = 0
    outcomes: dict[OutcomeKind, int] = field(default_factory=lambda: dict.fromkeys(OutcomeKind, 0))
