"""What the contract cannot ask of a real broker: the order in which its parts learn of an end is the world's."""

import pytest

from tests.integration.contract.rabbit import Letter
from tests.simulation.broker import Broker, BrokerDown, ChannelDown, OwnerDown
from tests.simulation.channel import Channel
from tests.simulation.events import Confirmed, Delivered, Returned


def channel_of(broker: Broker, name: str = "dispatcher") -> Channel:
    return broker.connect(name).channel()


def taken_from(channel: Channel) -> list[tuple[str, str]]:
    """Consumer tag and body of each delivery, in order."""
    taken = []
    while channel.events:
        event = channel.events.popleft()
        assert isinstance(event, Delivered)
        assert isinstance(event.message, Letter)
        taken.append((event.consumer_tag, event.message.body))
    return taken


def test_each_queue_hands_over_when_it_learns_by_itself_that_the_channel_ended() -> None:
    broker = Broker()
    owner, heir = channel_of(broker), channel_of(broker)
    for user in ("alice", "bob"):
        owner.declare_queue(user, single_active_consumer=True)
        owner.consume(user, user)
        heir.consume(user, user)
        owner.publish("", user, Letter("hello"))

    owner.close()
    assert taken_from(heir) == []
    broker.run(ChannelDown(broker.queues["bob"], owner))

    assert taken_from(heir) == [("bob", "hello")]
    assert broker.pending == [ChannelDown(broker.queues["alice"], owner)]
    broker.settle()
    assert taken_from(heir) == [("alice", "hello")]


def test_a_queue_that_has_not_learned_yet_serves_the_dead_channel_and_takes_it_all_back() -> None:
    broker = Broker()
    owner, heir = channel_of(broker), channel_of(broker)
    owner.declare_queue("alice", single_active_consumer=True)
    owner.qos(2)
    owner.consume("alice", "alice")
    heir.consume("alice", "alice")
    owner.connection.cut()

    for number in range(3):
        heir.publish("", "alice", Letter(str(number)))
    assert (broker.queues["alice"].unacked_count, list(owner.events)) == (2, [])
    broker.settle()

    assert [e.redelivered for e in heir.events if isinstance(e, Delivered)] == [True, True, False]
    assert [body for _, body in taken_from(heir)] == ["0", "1", "2"]


def test_an_inbox_takes_messages_until_it_learns_that_its_connection_ended() -> None:
    broker = Broker()
    gateway, dispatcher = channel_of(broker), channel_of(broker)
    gateway.declare_queue("gateway.1", exclusive=True)
    letter = Letter("batch")

    gateway.connection.cut()
    dispatcher.publish("", "gateway.1", letter, mandatory=True, confirm=1)
    broker.run(OwnerDown(broker.queues["gateway.1"]))
    dispatcher.publish("", "gateway.1", letter, mandatory=True, confirm=2)

    assert list(dispatcher.events) == [Confirmed(1), Returned(2, "", "gateway.1", letter), Confirmed(2)]


def test_what_a_client_says_on_a_dead_channel_is_not_heard() -> None:
    broker = Broker()
    channel, other = channel_of(broker), channel_of(broker)
    channel.declare_queue("alice")
    channel.consume("alice", "alice")
    channel.publish("", "alice", Letter("hello"))
    channel.connection.cut()

    channel.ack(1)
    channel.publish("", "alice", Letter("too late"), confirm=1)
    assert channel.declare_queue("bob") is None
    broker.settle()
    other.consume("alice", "alice")

    assert taken_from(other) == [("alice", "hello")]
    assert "bob" not in broker.queues


def test_a_stopped_broker_has_no_connections_and_takes_none() -> None:
    broker = Broker()
    channel = channel_of(broker)
    channel.declare_queue("alice")
    channel.declare_queue("gateway.1", exclusive=True)
    channel.close()

    broker.stop()

    assert channel.connection.closed
    assert broker.pending == []
    assert [*broker.queues] == ["alice"]
    with pytest.raises(BrokerDown):
        broker.connect("dispatcher")
    broker.start()
    assert broker.connect("dispatcher").channel().declare_queue("alice") == (0, 0)


def test_what_expired_or_was_dropped_is_known() -> None:
    broker = Broker(quorum_queues=True)
    channel = channel_of(broker)
    short, doomed = Letter("short", expiration=5), Letter("doomed")
    channel.declare_queue("alice", delivery_limit=0)
    channel.publish("", "alice", short)
    channel.publish("", "alice", doomed)

    broker.advance(5)
    channel.consume("alice", "alice")
    channel.nack(1)

    alice = broker.queues["alice"]
    assert (alice.expired, alice.dropped, alice.ready, alice.unacked) == ([short], [doomed], [], [])


def test_channels_with_something_to_say_are_listed_once() -> None:
    broker = Broker()
    quiet, channel = channel_of(broker), channel_of(broker)
    quiet.declare_queue("alice")

    for token in (1, 2):
        channel.publish("", "alice", Letter("hello"), confirm=token)

    assert [*broker.spoken] == [channel]
