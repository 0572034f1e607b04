"""The simulated broker as the contract speaks to it: every queue learns everything at once."""

from tests.integration.contract.rabbit import Letter
from tests.simulation import broker, channel, connection
from tests.simulation.events import Event
from tests.support.until import TooLate


class SimulatedRabbit:
    def __init__(self, *, quorum: bool) -> None:
        self.broker = broker.Broker(quorum_queues=quorum)

    async def connect(self) -> "SimulatedConnection":
        return SimulatedConnection(self.broker, self.broker.connect("contract"))

    async def elapse(self, seconds: float) -> None:
        self.broker.advance(self.broker.now + seconds)

    async def count(self, queue: str) -> tuple[int, int] | None:
        found = self.broker.queues.get(queue)
        return None if found is None else (found.ready_count, found.consumer_count)

    async def delete_queue(self, name: str) -> None:
        self.broker.delete_queue(name)

    async def purge_queue(self, name: str) -> None:
        self.broker.purge_queue(name)

    async def restart(self) -> None:
        self.broker.stop()
        self.broker.start()

    async def close(self) -> None:
        for each in [*self.broker.connections]:
            each.close()


class SimulatedConnection:
    def __init__(self, of: broker.Broker, inner: connection.Connection) -> None:
        self._broker = of
        self._inner = inner

    async def channel(self) -> "SimulatedChannel":
        return SimulatedChannel(self._broker, self._inner.channel())

    async def close(self) -> None:
        self._inner.close()
        self._broker.settle()

    async def cut(self) -> None:
        self._inner.cut()
        self._broker.settle()


class SimulatedChannel:
    def __init__(self, of: broker.Broker, inner: channel.Channel) -> None:
        self._broker = of
        self._inner = inner
        self._published = 0

    async def declare_exchange(self, name: str, kind: str, alternate: str | None = None) -> None:
        self._inner.declare_exchange(name, kind, alternate)
        self._broker.settle()

    async def declare_queue(
        self,
        name: str,
        *,
        exclusive: bool = False,
        single_active_consumer: bool = False,
        ttl_seconds: float | None = None,
        delivery_limit: int | None = None,
    ) -> tuple[int, int] | None:
        counts = self._inner.declare_queue(
            name,
            exclusive=exclusive,
            single_active_consumer=single_active_consumer,
            ttl_seconds=ttl_seconds,
            delivery_limit=delivery_limit,
        )
        self._broker.settle()
        return counts

    async def bind(self, queue: str, exchange: str, routing_key: str = "") -> None:
        self._inner.bind(queue, exchange, routing_key)
        self._broker.settle()

    async def publish(self, exchange: str, routing_key: str, letter: Letter, *, mandatory: bool = False) -> int:
        self._published += 1
        self._inner.publish(exchange, routing_key, letter, mandatory=mandatory, confirm=self._published)
        self._broker.settle()
        return self._published

    async def qos(self, prefetch: int) -> None:
        self._inner.qos(prefetch)

    async def consume(self, queue: str, consumer_tag: str, *, no_ack: bool = False) -> None:
        self._inner.consume(queue, consumer_tag, no_ack=no_ack)
        self._broker.settle()

    async def cancel(self, consumer_tag: str) -> None:
        self._inner.cancel(consumer_tag)

    async def ack(self, tag: int) -> None:
        self._inner.ack(tag)
        self._broker.settle()

    async def nack(self, tag: int) -> None:
        self._inner.nack(tag)
        self._broker.settle()

    async def close(self) -> None:
        self._inner.close()
        self._broker.settle()

    async def next(self) -> Event:
        if not self._inner.events:
            raise TooLate(f"nothing more was said on {self._inner}")
        return self._inner.events.popleft()

    async def silent(self) -> bool:
        return not self._inner.events
