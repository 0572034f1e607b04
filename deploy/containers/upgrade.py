"""`make upgrade`: the services of this installation replaced one by one, none of them away before another is there.

Gateways first, then dispatchers: which of them is newer does not matter, each release reads what its neighbour writes.
RabbitMQ and HAProxy are left alone: `make up` starts those anew whose image or settings changed.
"""

import time
from collections import Counter

from deploy.containers.engine import Compose, NoEngine
from deploy.containers.env_file import EnvFile
from deploy.containers.up import load_definitions, say

SERVICES = ("gateway", "dispatcher")

_HEALTHY_SECONDS = 90.0
_LOOK_SECONDS = 0.25
# HAProxy asks Docker's DNS every half second, and a gateway that it found there every second whether it serves.
_NOTICED_SECONDS = 3.0


def upgrade(compose: Compose, env_file: EnvFile) -> int:
    """How many containers were replaced: those of another image or with other settings. Raises `NoEngine`.

    Interrupted or failed, it leaves one container too many at most, and can be run again.
    """
    counts = Counter(c.service for c in compose.containers() if c.service in SERVICES)
    if not all(counts[service] for service in SERVICES):
        raise NoEngine("There is nothing to upgrade: `make up` starts it.")
    env_file.complete()
    load_definitions(compose, env_file)
    say("Building the image ...")
    compose.build()
    return sum(_roll(compose, service, counts) for service in SERVICES)


def _roll(compose: Compose, service: str, counts: Counter[str]) -> int:
    old = compose.outdated(service)
    if not old:
        say(f"{service}: all {counts[service]} are as they should be.")
    for number, name in enumerate(old, start=1):
        began = time.monotonic()
        before = {container.name for container in compose.containers()}
        compose.start_more({**counts, service: counts[service] + 1})
        (new,) = {container.name for container in compose.containers()} - before
        _await_healthy(compose, new)
        if service == "gateway":
            time.sleep(_NOTICED_SECONDS)
        healthy = time.monotonic()
        code = compose.drain(name)
        ended = (
            "" if code == 0 else f", with code {code}: it did not drain in time" if code == 137 else f", code {code}"
        )
        say(
            f"{service} {number} of {len(old)}: {new} serves after {healthy - began:.0f} s, "
            f"{name} has drained in {time.monotonic() - healthy:.0f} s{ended}"
        )
    return len(old)


def _await_healthy(compose: Compose, name: str) -> None:
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while (state := compose.state(name)) != "healthy":
        if time.monotonic() > deadline:
            log = compose.last_lines(name)
            compose.remove(name)
            raise NoEngine(
                f"The new {name} did not get healthy ({state}), so it is gone again and the old ones go on:\n{log}"
            )
        time.sleep(_LOOK_SECONDS)
