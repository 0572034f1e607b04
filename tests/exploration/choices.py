"""What can happen next in the small world, and what can go wrong."""

from tests.exploration.ends import check_delivered, check_no_ghosts
from tests.exploration.link import Item, Link
from tests.exploration.world import QUEUE, SmallWorld


def events(world: SmallWorld) -> list[Item]:
    """Empty when all is done and everybody has left. Raises Violation if the rest is not as it must be."""
    prompt = world.prompt()
    found = prompt + _anytime(world)
    if not prompt:
        found += _slow(world)
    if found:
        return found
    if world.person.leaving:
        check_no_ghosts(world)
        return []
    check_delivered(world)
    return [("goodbye",)]


def faults(world: SmallWorld) -> list[Item]:
    """What would change nothing is left out: mishaps of a gateway without a session, of a connection not in use."""
    found: list[Item] = [("kill dispatcher", place) for place, office in world.offices.items() if office]
    busy = {socket.house for socket in world.sockets.values() if socket.gateway}
    for name in sorted(busy):
        found += [("kill gateway", name), *_breakable(world.house(name).link)]
    for office in world.offices.values():
        if office is not None:
            found += _breakable(office.consuming)
            if not office.standby:
                found += _breakable(office.publishing)[:1]
            if office.admin.up:
                found += _breakable(office.admin)[:1]
            found += office.rarely()
    if world.person.socket is not None:
        found += [("client vanishes",), ("client leaves",)]
    found += [("restart broker",)]
    if QUEUE in world.broker.queues:
        found += [("delete queue",)]
    return found + (_slow(world) if world.prompt() else [])


def _anytime(world: SmallWorld) -> list[Item]:
    found: list[Item] = []
    if world.published < world.messages and QUEUE in world.broker.queues:
        found.append(("publish",))
    if world.person.socket is None and not world.person.leaving:
        found += [("connect", name) for name, house in world.houses.items() if house and house.link]
    return found


def _slow(world: SmallWorld) -> list[Item]:
    """What takes seconds: services that come back, ends that nobody announced, deadlines."""
    found: list[Item] = [("begin dispatcher", place) for place, office in world.offices.items() if not office]
    found += [("begin gateway", name) for name, house in world.houses.items() if not house]
    found += [("reconnect", name) for name, house in world.houses.items() if house and not house.link]
    found += [("missed", socket.session) for socket in world.sockets.values() if socket.severed]
    for link in world.links.values():
        if link.severed and not link.connection.closed:
            found.append(("broker notices", link.name))
        if link.severed and not link.lost:
            found.append(("service notices", link.name))
    for service in (*world.offices.values(), *world.houses.values()):
        found += service.later() if service is not None else []
    return found


def _breakable(link: Link | None) -> list[Item]:
    if link is None or link.severed or link.connection.closed:
        return []
    return [("sever", link.name), ("close", link.name)]
