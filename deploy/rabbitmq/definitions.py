"""The definitions that RabbitMQ loads when it starts, made from passwords: `python -m deploy.rabbitmq.definitions`.

It reads the passwords from the environment (GATEWAY_PASSWORD, DISPATCHER_PASSWORD, ...) and prints JSON that holds only
their hashes. Needs nothing but Python, so that it runs on a machine that has only Docker.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from deploy.rabbitmq.accounts import ACCOUNTS, Account
from deploy.rabbitmq.policies import POLICIES
from shared.names import (
    DEAD_LETTERS,
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    MESSAGES,
    RECEIPTS,
    SESSIONS_EXCHANGE,
    UNROUTED,
    UNROUTED_EXCHANGE,
)

VIRTUAL_HOST = "restante"
QUORUM = "quorum"
_SALT_BYTES = 4  # RabbitMQ takes so many for the salt


def password_variable(account: str) -> str:
    """The name in the environment, and in deploy/.env, of an account's password."""
    return f"{account.upper().replace('-', '_')}_PASSWORD"


def password_hash(account: str, password: str) -> str:
    """As RabbitMQ keeps it (rabbit_password_hashing_sha256).

    Always the same, so that the file changes only when a password does. The salt need not be random: it is there so
    that equal passwords do not look equal, and these are long and random.
    """
    salt = hmac.digest(password.encode(), account.encode(), "sha256")[:_SALT_BYTES]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(passwords: Mapping[str, str], queue_type: str, virtual_host: str = VIRTUAL_HOST) -> dict[str, Any]:
    """`passwords` by account. RabbitMQ leaves exchanges and queues that exist as they are; all else becomes so."""
    of_host = {"vhost": virtual_host}
    return {
        "vhosts": [{"name": virtual_host}],
        "users": [_user(account, passwords[account.name]) for account in ACCOUNTS],
        "permissions": [_permissions(account, virtual_host) for account in ACCOUNTS],
        "policies": [{**policy, **of_host} for policy in POLICIES],
        "exchanges": [{**exchange, **of_host} for exchange in _EXCHANGES],
        # The dispatcher makes all other queues. This one must be there as soon as there is an exchange to publish to:
        # RabbitMQ confirms, and forgets, what it has no queue for.
        "queues": [
            {"name": UNROUTED, **of_host, "durable": True, "auto_delete": False, "arguments": _unrouted(queue_type)}
        ],
        "bindings": [
            {
                "source": UNROUTED_EXCHANGE,
                "destination": UNROUTED,
                "destination_type": "queue",
                "routing_key": "",
                "arguments": {},
                **of_host,
            }
        ],
    }


def written(defined: dict[str, Any]) -> str:
    return json.dumps(defined, indent=2) + "\n"


def _exchange(name: str, kind: str, **arguments: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {key.replace("_", "-"): value for key, value in arguments.items()},
    }


# As `shared/topology.py` declares them: the dispatcher finds them made.
_EXCHANGES = (
    _exchange(UNROUTED_EXCHANGE, "fanout"),
    _exchange(MESSAGES, "direct", alternate_exchange=UNROUTED_EXCHANGE),
    _exchange(DEAD_LETTERS, "fanout"),
    *(_exchange(name, "direct") for name in (SESSIONS_EXCHANGE, GATEWAYS_EXCHANGE, DISPATCHERS_EXCHANGE, RECEIPTS)),
)


def _unrouted(queue_type: str) -> dict[str, Any]:
    durable = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000} if queue_type == QUORUM else {}
    return {**durable, "x-single-active-consumer": True}


def _user(account: Account, password: str) -> dict[str, Any]:
    return {
        "name": account.name,
        "password_hash": password_hash(account.name, password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(account.tags),
    }


def _permissions(account: Account, virtual_host: str) -> dict[str, str]:
    return {
        "user": account.name,
        "vhost": virtual_host,
        "configure": account.configure,
        "write": account.write,
        "read": account.read,
    }


def main() -> int:
    variables = {account.name: password_variable(account.name) for account in ACCOUNTS}
    missing = [variable for variable in variables.values() if not os.environ.get(variable)]
    if missing:
        sys.stderr.write(f"not set: {', '.join(missing)}\n")
        return 3
    passwords = {name: os.environ[variable] for name, variable in variables.items()}
    sys.stdout.write(written(definitions(passwords, os.environ.get("BROKER_QUEUE_TYPE") or "classic")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
