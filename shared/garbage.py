"""The garbage collector, kept from looking again and again at what stays.

By itself it goes through everything whenever a quarter has been added: in a storm that was a third of the time, in
pauses of up to a second.
"""

import gc

YOUNG_OBJECTS = 50_000
YOUNG_ROUNDS = 20
MIDDLE_ROUNDS = 10


def leave_the_start_alone() -> None:
    """What is here now, modules mostly, is here for good. Best called once all is loaded."""
    gc.collect()
    gc.freeze()


def look_seldom() -> None:
    """Only for a process whose old objects go without the collector: what it alone can end is kept for long."""
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
