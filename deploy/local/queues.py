"""How full the queues of some users are at this moment."""

from urllib.parse import unquote, urlsplit

from deploy.local.rabbitmq import Management
from shared.names import is_user_id, user_queue


class Queues:
    """Of the broker that this run uses; an empty `management_url` is one that cannot be asked."""

    def __init__(self, broker_url: str, management_url: str) -> None:
        self._vhost = unquote(urlsplit(broker_url.partition(",")[0]).path[1:]) or "/"
        self._management = Management(management_url) if management_url else None

    def of(self, users: list[str]) -> dict[str, dict[str, int]]:
        """Ready and unacked. A user who has no queue yet has none in it; empty while RabbitMQ does not say."""
        asked = {user_queue(user): user for user in users if is_user_id(user)}
        if self._management is None or not asked:
            return {}
        try:
            found = self._management.depths(self._vhost, asked)
        except OSError:
            return {}
        depths = {user: found.get(queue, (0, 0)) for queue, user in asked.items()}
        return {user: {"ready": ready, "unacked": unacked} for user, (ready, unacked) in depths.items()}
