"""`make run`: a RabbitMQ, one dispatcher, one gateway with the demo page, until Ctrl-C; then nothing is left.

Everything it writes is in `.run`: the broker's data (they stay), logs, the secret that signs tokens, and `env`,
from which `restante` in another shell learns where everything is.
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from deploy.local import broker, npm, signals
from deploy.local.controls import Controls
from deploy.local.queues import Queues
from deploy.local.rabbitmq import NoBroker
from deploy.local.services import ServiceEnded, Services
from deploy.local.surroundings import Surroundings

FOLDER = Path(".run")
HELD = "`make run` is running here already; stop that one first."
_LOOK_SECONDS = 0.2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Run all of restante on this machine.")
    parser.add_argument("--broker", type=broker.Kind, choices=list(broker.Kind), default=broker.Kind.AUTO)
    parser.add_argument("--forget", action="store_true", help="delete the broker's data and everything else in .run")
    arguments = parser.parse_args()
    folder = FOLDER.resolve()
    if arguments.forget:
        if not broker.forget(folder):
            say(HELD)
            return 1
        return 0
    signals.raise_when_stopped()
    with ExitStack() as held:
        try:
            if not held.enter_context(broker.held(folder)):
                say(HELD)
                return 1
            _run(folder, arguments.broker, held)
        except signals.Stopped:
            say("\nStopping ...")
            return 0
        except (NoBroker, ServiceEnded) as err:
            say(str(err))
            return 1
        finally:
            # The rest is bounded, and a second Ctrl-C must not leave processes behind.
            signals.ignore_from_now_on()


def _run(folder: Path, kind: broker.Kind, held: ExitStack) -> NoReturn:
    rabbitmq = broker.find(folder, kind, say)
    held.callback(rabbitmq.close)
    client = npm.client_file(folder / "npm")
    surroundings = Surroundings(folder, rabbitmq.url, rabbitmq.management_url, client)
    for line in surroundings.moved:
        say(line)
    services = Services(folder, surroundings, say)
    held.callback(services.end)
    services.start()
    queues = Queues(rabbitmq.url, rabbitmq.management_url)
    controls = Controls(
        surroundings.controls_port,
        surroundings.controls_secret,
        surroundings.origins,
        lambda users: {"queues": queues.of(users), "services": services.states()},
        services.kill,
    )
    held.callback(controls.close)
    controls.start()
    surroundings.write()
    held.callback(surroundings.remove)
    say(_what_next(surroundings, rabbitmq))
    while True:
        services.look()
        if not rabbitmq.running():
            raise NoBroker(f"RabbitMQ ended by itself; its log is in {folder / 'rabbitmq/log'}")
        time.sleep(_LOOK_SECONDS)


def _what_next(surroundings: Surroundings, rabbitmq: broker.Broker) -> str:
    command = os.path.relpath(Path(sys.executable).with_name("restante"))
    pages = surroundings.management_page or "not known"
    if rabbitmq.kind != broker.Kind.URL:  # who logs in elsewhere, its owner knows
        pages += "   (guest / guest)"
    return f"""
restante is up. Ctrl-C stops everything; messages stay for the next time.

  demo page   {surroundings.demo_page}
  RabbitMQ    {pages}   {rabbitmq.version}
  logs        {os.path.relpath(surroundings.logs)}/

In another terminal, in this folder:

  {command} publish alice '{{"hello": "world"}}'
  {command} listen alice
"""


def say(line: str) -> None:
    print(line, flush=True)
