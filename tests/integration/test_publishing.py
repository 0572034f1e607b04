"""Publishing with confirms to the real RabbitMQ, by the library and past it: it makes no difference to anybody."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pydantic import SecretStr

from deploy.local.broker import Broker
from shared import sieve
from shared.broker import BrokerAway, close, connect, wire
from shared.publish import ConfirmedPublisher, Nacked, PublishFailed, Returned, Unanswered, Unsendable
from shared.settings import BrokerSettings
from tests.support import rabbitmqctl
from tests.support.until import until

INBOX = "inbox"
FRAME_BYTES = 131_072
WAYS = ["past the library", "by the library"] if sieve.LANE.taken else ["by the library"]


@pytest.fixture(params=WAYS)
async def connection(broker_url: str, request: pytest.FixtureRequest) -> AsyncIterator[AbstractConnection]:
    settings = BrokerSettings(broker_url=(SecretStr(broker_url),))
    made = await connect(settings, "test publishes", sifted=request.param == "past the library")
    yield made
    await close(made)


@pytest.fixture
async def channel(connection: AbstractConnection) -> AbstractChannel:
    """For everything but publishing."""
    channel = await wire(connection).channel(publisher_confirms=False)
    await channel.queue_declare(INBOX, exclusive=True)
    return channel


@pytest.fixture
async def publisher(connection: AbstractConnection, channel: AbstractChannel) -> Callable[..., ConfirmedPublisher]:
    below = await wire(connection).channel()
    return lambda **options: ConfirmedPublisher(below, **options)


async def put(publisher: ConfirmedPublisher, body: bytes = b"", to: str = INBOX, **of: object) -> None:
    await publisher.publish(body, Basic.Properties(**of), exchange="", routing_key=to, mandatory=True)  # type: ignore[arg-type]


async def taken(channel: AbstractChannel) -> list[bytes]:
    found = []
    while not isinstance((got := await channel.basic_get(INBOX, no_ack=True)).delivery, Basic.GetEmpty):
        found.append(got.body)
    return found


async def fates(publishing: list[asyncio.Task[None]]) -> list[type[BaseException] | None]:
    return [
        None if result is None else type(result) for result in await asyncio.gather(*publishing, return_exceptions=True)
    ]


async def test_what_is_published_comes_in_order_whatever_its_size_and_not_too_much_is_under_way(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    several = publisher(in_flight=7)
    sizes = [0, 1, FRAME_BYTES - 8, FRAME_BYTES - 7, 3 * FRAME_BYTES, 1_000_000]
    bodies = [b"%03d" % n + bytes(sizes[n % len(sizes)]) for n in range(60)]
    most = 0

    async def one(body: bytes) -> None:
        nonlocal most
        publishing = asyncio.ensure_future(put(several, body))
        await asyncio.sleep(0)
        most = max(most, len(several._under_way))
        await publishing

    await asyncio.gather(*(one(body) for body in bodies))

    assert await taken(channel) == bodies
    assert most == 7
    assert not several._under_way


async def test_only_what_reached_no_queue_is_returned_also_with_equal_ids(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    several = publisher()
    targets = [INBOX, "nobody", INBOX, "nobody", "nobody", INBOX] * 5

    found = await fates(
        [
            asyncio.create_task(put(several, b"%d" % n, to, message_id=f"m{n % 4}" if n % 3 else None))
            for n, to in enumerate(targets)
        ]
    )

    assert found == [None if to == INBOX else Returned for to in targets]
    assert await taken(channel) == [b"%d" % n for n, to in enumerate(targets) if to == INBOX]


async def test_a_queue_that_is_full_refuses_and_the_others_are_held(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    await channel.queue_declare("full", exclusive=True, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    several = publisher()
    targets = ["full", INBOX] * 10

    found = await fates([asyncio.create_task(put(several, b"x", to)) for to in targets])

    assert found[1::2] == [None] * 10
    assert set(found[::2]) == {None, Nacked}


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"x": "y" * FRAME_BYTES}},
        {"message_id": "x" * 256},
        {"headers": {"x": object()}},
        {"correlation_id": "\ud800"},
        {"to": "r" * 256},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_what_amqp_cannot_express_is_not_sent_and_harms_nobody(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel, wrong: dict[str, object]
) -> None:
    several = publisher()

    found = await fates(
        [asyncio.create_task(each) for each in (put(several, b"1"), put(several, b"!", **wrong), put(several, b"2"))]  # type: ignore[arg-type]
    )

    assert found == [None, Unsendable, None]
    assert await taken(channel) == [b"1", b"2"]


async def test_who_is_not_answered_in_time_is_told(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    with pytest.raises(Unanswered):
        await put(publisher(timeout_seconds=0.0), b"0", message_id="m1")


async def test_who_waits_no_more_disturbs_nobody(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    several = publisher(in_flight=2)
    publishing = [asyncio.create_task(put(several, b"%d" % n, message_id="same" if n < 2 else None)) for n in range(6)]
    await asyncio.sleep(0)
    for number in (0, 3):
        publishing[number].cancel()

    found = await fates(publishing)

    assert [fate for number, fate in enumerate(found) if number not in {0, 3}] == [None] * 4
    assert found[3] is asyncio.CancelledError
    assert [body for body in await taken(channel) if body not in {b"0", b"3"}] == [b"1", b"2", b"4", b"5"]


async def test_a_channel_that_the_broker_closes_ends_all_waiting_at_once_and_the_connection_lives(
    publisher: Callable[..., ConfirmedPublisher], channel: AbstractChannel
) -> None:
    several = publisher(in_flight=3)
    nowhere = asyncio.create_task(
        several.publish(b"", Basic.Properties(), exchange="missing", routing_key="", mandatory=True)
    )
    publishing = [nowhere, *(asyncio.create_task(put(several, b"x", "nobody")) for _ in range(8))]

    async with asyncio.timeout(10):
        found = await fates(publishing)

    assert set(found) == {BrokerAway}
    with pytest.raises(BrokerAway):
        await put(several)
    assert await taken(channel) == []


async def test_a_connection_that_is_lost_ends_all_waiting_at_once(
    publisher: Callable[..., ConfirmedPublisher], connection: AbstractConnection, broker: Broker
) -> None:
    several = publisher(in_flight=3)
    stop = False

    async def go_on() -> None:
        while not stop:
            await put(several, bytes(10))

    publishing = [asyncio.create_task(go_on()) for _ in range(8)]
    await asyncio.to_thread(rabbitmqctl.rabbitmqctl, broker, "close_all_connections", "--global", "the test")

    async with asyncio.timeout(10):
        assert set(await fates(publishing)) == {BrokerAway}
    stop = True


async def test_a_number_that_a_channel_had_before_counts_from_one_again(
    connection: AbstractConnection, channel: AbstractChannel
) -> None:
    for _ in range(3):
        below = await wire(connection).channel()
        once = ConfirmedPublisher(below)
        await asyncio.gather(*(put(once, b"x") for _ in range(5)))
        with pytest.raises(PublishFailed):
            await put(once, b"x", "nobody")
        await below.close()
        await until(lambda: below.is_closed, "the channel's end")  # noqa: B023 -- called at once
        with pytest.raises(BrokerAway):
            await put(once)
    assert len(await taken(channel)) == 15
