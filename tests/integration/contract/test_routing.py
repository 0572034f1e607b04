"""Where a published message goes, and what its publisher is told in which order."""

from tests.integration.contract.rabbit import Letter, Rabbit
from tests.integration.contract.steps import bodies, channel_of, delivered, ready_is
from tests.simulation.events import Confirmed, Returned

HELLO = Letter("hello")


async def test_a_direct_exchange_gives_a_message_to_every_queue_bound_with_its_key(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("messages", "direct")
    for queue, key in (("user.alice", "alice"), ("copy.alice", "alice"), ("user.bob", "bob")):
        await channel.declare_queue(queue)
        await channel.bind(queue, "messages", key)
        await channel.bind(queue, "messages", key)

    token = await channel.publish("messages", "alice", HELLO, mandatory=True)

    assert await channel.next() == Confirmed(token)
    assert [await rabbit.count(queue) for queue in ("user.alice", "copy.alice", "user.bob")] == [(1, 0), (1, 0), (0, 0)]


async def test_a_fanout_exchange_gives_a_message_to_every_queue(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("dead-letters", "fanout")
    await channel.declare_queue("dead-letters")
    await channel.bind("dead-letters", "dead-letters")

    token = await channel.publish("dead-letters", "whatever", HELLO, mandatory=True)

    assert await channel.next() == Confirmed(token)
    await ready_is(rabbit, 1, queue="dead-letters")


async def test_the_default_exchange_goes_by_the_name_of_the_queue(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue("user.alice")
    await channel.consume("user.alice", "alice", no_ack=True)
    publisher = await channel_of(rabbit)

    await publisher.publish("", "user.alice", HELLO)

    [delivery] = await delivered(channel, 1)
    assert delivery.message == HELLO


async def test_a_mandatory_message_that_reaches_no_queue_is_returned_and_then_confirmed(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("gateways", "direct")
    await channel.declare_queue("gateway.1")
    await channel.bind("gateway.1", "gateways", "gateway.1")

    tokens = [await channel.publish("gateways", key, HELLO, mandatory=True) for key in ("gateway.1", "gateway.2")]

    said = [await channel.next() for _ in range(3)]
    returned = Returned(tokens[1], "gateways", "gateway.2", HELLO)
    assert sorted(said, key=repr) == [Confirmed(tokens[0]), Confirmed(tokens[1]), returned]
    assert said.index(returned) < said.index(Confirmed(tokens[1]))


async def test_a_message_that_reaches_no_queue_is_confirmed_all_the_same_when_it_is_not_mandatory(
    rabbit: Rabbit,
) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("receipts", "direct")

    token = await channel.publish("receipts", "nobody", HELLO)

    assert await channel.next() == Confirmed(token)


async def test_an_alternate_exchange_catches_what_reaches_no_queue_and_nothing_is_returned(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("messages.unrouted", "fanout")
    await channel.declare_exchange("messages", "direct", alternate="messages.unrouted")
    await channel.declare_queue("unrouted", single_active_consumer=True)
    await channel.declare_queue("user.bob")
    await channel.bind("unrouted", "messages.unrouted")
    await channel.bind("user.bob", "messages", "bob")

    token = await channel.publish("messages", "alice", HELLO, mandatory=True)
    assert await channel.next() == Confirmed(token)
    token = await channel.publish("messages", "bob", Letter("for bob"), mandatory=True)
    assert await channel.next() == Confirmed(token)

    assert await rabbit.count("user.bob") == (1, 0)
    await channel.consume("unrouted", "unrouted", no_ack=True)
    assert bodies(await delivered(channel, 1)) == ["hello"]
    assert await channel.silent()


async def test_a_mandatory_message_is_returned_when_the_alternate_exchange_has_no_queue_either(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("messages.unrouted", "fanout")
    await channel.declare_exchange("messages", "direct", alternate="messages.unrouted")

    token = await channel.publish("messages", "alice", HELLO, mandatory=True)

    returned = await channel.next()
    assert isinstance(returned, Returned)
    assert (returned.token, returned.routing_key, returned.message) == (token, "alice", HELLO)
    assert await channel.next() == Confirmed(token)


async def test_a_confirmed_message_is_in_its_queue(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue("user.alice")

    for number in range(20):
        token = await channel.publish("", "user.alice", Letter(str(number)))
        assert await channel.next() == Confirmed(token)
    await channel.consume("user.alice", "alice")

    assert bodies(await delivered(channel, 20)) == [str(number) for number in range(20)]
