"""How many files, sockets among them, this process may have open."""

import resource

MOST = 1_048_576
"""What Linux allows by default at most."""


def raise_limit() -> int:
    """As many as an unprivileged process may take for itself, which is mostly far more than it is given; the new limit.

    The low one is for programs that use `select`, which fails beyond 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return min(soft, MOST) if soft != resource.RLIM_INFINITY else MOST
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
