"""Deliberate faults for the real system: those of the simulation, and some that need a real broker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pamqp.commands import Basic

from dispatcher import settle
from dispatcher.core.partition import Partition
from dispatcher.core.user import Stage, User
from dispatcher.link import Link
from shared.names import user_queue
from tests.chaos import channel_errors, forgetful, mishaps
from tests.chaos.mishaps import Break
from tests.simulation import mutants
from tests.simulation.mutants import Patch


def requeues_at_the_tail() -> list[Patch]:
    """What is given back is published again instead."""

    def release(self: User) -> None:
        held = [arrival for flight in self.flights.values() for arrival in flight.arrivals]
        link: Any = self._port
        for arrival in sorted(held, key=lambda arrival: arrival.tag):
            original: Any = arrival.original
            again = Basic.Properties(message_id=original.properties.message_id, delivery_mode=2)
            link._life.spawn(
                link._control.publish(original.body, again, routing_key=user_queue(self.name), mandatory=True), "again"
            )
            link.ack(self.partition, arrival.tag)
        self.flights.clear()
        for session in self.sessions.values():
            session.pending.clear()
        self.stage = Stage.IDLE
        self.begin()

    return [(User, "_release", release)]


def acks_everything_before_it_as_well() -> list[Patch]:
    """`multiple`: leases and other users' messages go along."""
    return [(settle, "_ONE_ONLY", 1)]


def knows_no_tag_below_one() -> list[Patch]:
    """Not a fault: the simulation's faults use such tags for what is acked already, which its broker overlooks."""
    ack, nack = Link.ack, Link.nack
    return [
        (Link, "ack", lambda self, partition, tag: ack(self, partition, tag) if tag > 0 else None),
        (Link, "nack", lambda self, partition, tag: nack(self, partition, tag) if tag > 0 else None),
    ]


def gives_a_lost_partition_up_for_good() -> list[Patch]:
    """Its channel was closed with an error, and nobody enters it again."""
    return [(Partition, "lost", lambda self, now: None)]


def leaves_a_deleted_queue_alone() -> list[Patch]:
    """What comes later is put into a queue that nobody consumes."""
    return [(Link, "consumer_lost", lambda self, partition, user: None)]


def nothing() -> list[Patch]:
    return []


@dataclass(frozen=True, slots=True)
class Planted:
    """`kinds`: what must go wrong for it to matter. Others would find it too, and take longer."""

    fault: Callable[[], list[Patch]]
    kinds: Sequence[Break]

    @property
    def name(self) -> str:
        return self.fault.__name__

    def command(self, service: str) -> list[str]:
        return ["tests.chaos.planted.service", self.name, service]


_BUSY = (mishaps.clients_late, mishaps.clients_late)
"""So that something is in flight when it happens."""

_CUT = (mishaps.way_of_clients_cut, mishaps.reconnect_storm, mishaps.client_vanished_and_is_elsewhere)

PLANTED = {
    planted.name: planted
    for planted in (
        Planted(mutants.acks_before_the_client_confirms, (*_BUSY, *_CUT, mishaps.gateway_killed)),
        Planted(mutants.has_no_ring, (*_BUSY, *_CUT, mishaps.dispatcher_killed)),
        Planted(mutants.forgets_what_the_client_has_seen, (*_BUSY, *_CUT, mishaps.gateway_killed)),
        Planted(mutants.emits_again_what_is_in_flight, (*_BUSY, mishaps.dispatcher_killed)),
        Planted(mutants.does_not_send_again_what_is_in_flight, (*_BUSY, *_CUT)),
        Planted(requeues_at_the_tail, (*_BUSY, mishaps.way_of_clients_cut, mishaps.gateway_killed)),
        Planted(acks_everything_before_it_as_well, (*_BUSY, mishaps.dispatcher_killed)),
        Planted(mutants.acks_leases_at_once, (mishaps.dispatcher_killed, mishaps.way_to_the_broker_cut)),
        Planted(mutants.does_not_announce_anew_after_a_reconnect, (mishaps.way_to_the_broker_cut,)),
        Planted(mutants.has_no_deadline_for_silent_clients, (forgetful.clients_lose_their_callbacks,)),
        Planted(gives_a_lost_partition_up_for_good, (channel_errors.right_to_read_taken_by_the_operator,)),
        Planted(leaves_a_deleted_queue_alone, (mishaps.queue_deleted_by_the_operator,)),
    )
}

CONTROL = Planted(nothing, tuple(dict.fromkeys(kind for planted in PLANTED.values() for kind in planted.kinds)))
"""No fault, and all that goes wrong for the others: what it is blamed for, the others cannot be found by."""
