"""What must hold when all is done in the small world, and when everybody has left it."""

from tests.exploration.world import LEASES, QUEUE, USER, SmallWorld
from tests.simulation.history import Violation


def check_delivered(world: SmallWorld) -> None:
    queue = world.broker.queues.get(QUEUE)
    if queue is None:
        raise Violation("the user is here, but has no queue")
    if queue.ready or queue.unacked:
        raise Violation(f"I7: {queue.ready} {queue.unacked} is still in the queue")
    left = list(world.history.open.get(USER, {}).values())
    if left:
        raise Violation(f"I7: {left} were never confirmed")
    for post in world.history.posts.values():
        if (
            USER,
            post.key,
        ) not in world.history.confirmed and post.uid not in world.history.dead | world.history.taken:
            raise Violation(f"I1: {post} is nowhere")


def check_no_ghosts(world: SmallWorld) -> None:
    for house in world.houses.values():
        if house is not None and len(house.core):
            raise Violation(f"{house.name} still has a session")
    for office in world.offices.values():
        if office is not None and (office.core.sessions or list(office.core.users)):
            raise Violation(f"{office.name} still has {office.core.sessions} sessions, {list(office.core.users)}")
    for queue in world.broker.queues.values():
        if queue.name == QUEUE and queue.consumers:
            raise Violation(f"{queue} is still consumed")
        if queue.name == LEASES and (queue.unacked_count or queue.ready_count):
            raise Violation(f"{queue} still has leases")
