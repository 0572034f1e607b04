"""The accounts and policies of `deploy/rabbitmq`, in a virtual host of their own on whatever broker the tests have."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from deploy.rabbitmq.accounts import ACCOUNTS
from deploy.rabbitmq.definitions import definitions
from shared.settings import QueueType
from tests.support.broker import virtual_host


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where each of them logs in. `root_url` is that of an account that may do everything."""

    root_url: str
    passwords: dict[str, str]
    management: str

    def url(self, account: str) -> str:
        parts = urlsplit(self.root_url)
        return f"amqp://{account}:{self.passwords[account]}@{parts.hostname}:{parts.port}{parts.path}"

    def management_url(self, account: str) -> str:
        parts = urlsplit(self.management)
        return f"http://{account}:{self.passwords[account]}@{parts.hostname}:{parts.port}/"

    def environment(self, account: str) -> dict[str, str]:
        """Of a command `restante` under this account."""
        return {"BROKER_URL": self.url(account), "RABBITMQ_MANAGEMENT_URL": self.management_url(account)}


@contextmanager
def accounts(broker: Broker, queue_type: QueueType = QueueType.CLASSIC) -> Iterator[Accounts]:
    """Loaded as RabbitMQ loads its file. Accounts are of the whole broker, so there is one set at a time."""
    passwords = {account.name: secrets.token_urlsafe(16) for account in ACCOUNTS}
    with virtual_host(broker) as url:
        management = Management(broker.management_url)
        management.request("POST", "/api/definitions", definitions(passwords, queue_type, urlsplit(url).path[1:]))
        try:
            yield Accounts(url, passwords, broker.management_url)
        finally:
            for name in passwords:
                with suppress(OSError):
                    management.request("DELETE", f"/api/users/{name}")
