"""Who logs in to RabbitMQ, and what each may do there: no more than it does.

RabbitMQ asks three things of an account: `configure` (declare and delete), `write` (publish to an exchange, bind a
queue), `read` (consume or empty a queue, bind to an exchange), each a pattern of names. A name is an exchange's or a
queue's alike. `amq.default` is the exchange without a name: whoever may write there may write to every queue.
"""

from dataclasses import dataclass

NOTHING = "^$"

# The inboxes of one connection; their names end in random hexadecimal digits.
_GATEWAY_INBOX = r"gateway\.[0-9a-f]+"
_DISPATCHER_INBOX = r"dispatcher\.[0-9a-f]+"
_LEASES = r"sessions\.[0-9]+"
_USERS = r"user\..+"
_RECEIPTS = r"receipts\..+"


@dataclass(frozen=True, slots=True)
class Account:
    """`purpose` is for whoever reads RabbitMQ's list of users and asks what they are."""

    name: str
    purpose: str
    configure: str
    write: str
    read: str
    tags: tuple[str, ...] = ()


def _any_of(*names: str) -> str:
    return f"^({'|'.join(names)})$"


ACCOUNTS = (
    Account(
        "publisher",
        "Puts messages on the exchange; reads nothing.",
        configure=NOTHING,
        write="^messages$",
        read=NOTHING,
    ),
    Account(
        # Apart from `publisher`, because receipts of all publishers go through one exchange: who may bind a queue there
        # can read what clients answered to others.
        "publisher-with-receipts",
        "Puts messages on the exchange, and has queues receipts.<name> of its own for the receipts.",
        configure=f"^{_RECEIPTS}$",
        write=_any_of("messages", _RECEIPTS),
        read=_any_of("receipts", _RECEIPTS),
    ),
    Account(
        "gateway",
        "Has an inbox, announces sessions, reports what clients confirmed, passes on what they send.",
        configure=f"^{_GATEWAY_INBOX}$",
        write=_any_of("messages", "sessions", "dispatchers", _GATEWAY_INBOX),
        read=_any_of("gateways", _GATEWAY_INBOX),
    ),
    Account(
        # It makes everything that is not here yet, so it may configure all of ours. It writes to `amq.default` because
        # a message of a new user is moved into a queue that is not bound yet. It neither publishes to `messages` nor
        # reads a gateway's inbox or a receipt.
        "dispatcher",
        "Makes and consumes the users' queues; records dead letters and receipts.",
        configure=_any_of(
            r"messages(\.unrouted)?",
            "unrouted",
            "dead-letters",
            "receipts",
            "sessions",
            "gateways",
            "dispatchers",
            r"dispatcher\.census",
            _LEASES,
            _DISPATCHER_INBOX,
            _USERS,
        ),
        write=_any_of(
            r"amq\.default",
            r"messages\.unrouted",
            "unrouted",
            "dead-letters",
            "receipts",
            "sessions",
            "gateways",
            _LEASES,
            _DISPATCHER_INBOX,
            _USERS,
        ),
        read=_any_of(
            r"messages(\.unrouted)?",
            "unrouted",
            "dead-letters",
            "sessions",
            "dispatchers",
            r"dispatcher\.census",
            _LEASES,
            _DISPATCHER_INBOX,
            _USERS,
        ),
    ),
    Account(
        # For people, in the management UI and for `restante inspect|queues|dead-letters list`. It sees how full every
        # queue is, but no user's messages. RabbitMQ has no right to look at a queue without the right to empty it, so
        # `dead-letters` is where a person with this password can do harm.
        "operator",
        "Looks: the management UI, how full queues are, the dead letters.",
        configure=NOTHING,
        write=NOTHING,
        read="^dead-letters$",
        tags=("monitoring",),
    ),
    Account(
        # `disconnect` writes to `sessions`, `dead-letters requeue` to `messages`; the others delete.
        "maintainer",
        "Acts: requeues dead letters, disconnects users, deletes their queues.",
        configure=f"^{_USERS}$",
        write=_any_of("messages", "sessions"),
        read="^dead-letters$",
        tags=("monitoring",),
    ),
)
