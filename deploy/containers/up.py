"""`make up`: from nothing to healthy, saying what it does, and then what one can do with it."""

import time
from collections import Counter
from shlex import join

from deploy.containers.engine import Compose, NoEngine
from deploy.containers.env_file import EnvFile

_LOOK_SECONDS = 0.5
_WELL = ("healthy", "running")


def up(compose: Compose, env_file: EnvFile, *, scale: list[str]) -> None:
    """Idempotent. Raises `NoEngine`."""
    began = time.monotonic()
    new = not env_file.path.exists()
    env_file.complete()
    if new:
        say(f"Secrets made: {env_file.path}")
    for line in env_file.moved:
        say(line)
    load_definitions(compose, env_file)
    for image in compose.get_images():
        say(f"Pulling {image} ...")
    say("Building the image (some seconds, half a minute the first time) ...")
    compose.build()
    _start(compose, scale, began)
    say(_what_next(compose, env_file, time.monotonic() - began))


def load_definitions(compose: Compose, env_file: EnvFile) -> None:
    """Writes them for a RabbitMQ that starts, and has one that runs already load what has changed.

    Raises `NoEngine`, also for passwords with which nobody could log in.
    """
    if env_file.unfit:
        raise NoEngine(
            f"{env_file.path}: none of / ? # [ ] % , \\ $ may be in {', '.join(env_file.unfit)}, which becomes part of "
            "an address. Choose another, or delete the line: `make up` makes one."
        )
    before = env_file.definitions.read_text(encoding="utf-8") if env_file.definitions.exists() else None
    changed = env_file.write_definitions()
    there = any(container.service == "rabbitmq" and container.state in _WELL for container in compose.containers())
    if changed and there:
        say("Accounts and policies have changed: RabbitMQ loads them.")
        try:
            compose.run_in("rabbitmq", "rabbitmqctl", "import_definitions", "/etc/rabbitmq/restante.json")
        except BaseException:  # Ctrl-C too: the next run must see that they have changed
            if before is not None:
                env_file.definitions.write_text(before, encoding="utf-8")
            raise


def _start(compose: Compose, scale: list[str], began: float) -> None:
    said: dict[str, str] = {}
    say("Starting ...")
    with compose.starting(scale) as process:
        while process.poll() is None:
            _tell(compose, said, began)
            time.sleep(_LOOK_SECONDS)
        _tell(compose, said, began)


def _tell(compose: Compose, said: dict[str, str], began: float) -> None:
    """A line for each service whose state is another than it was."""
    states: dict[str, Counter[str]] = {}
    for container in compose.containers():
        states.setdefault(container.service, Counter())[container.state] += 1
    for service, counts in states.items():
        state = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        if said.get(service) != state:
            said[service] = state
            say(f"  {time.monotonic() - began:5.1f} s  {service:<10}  {state}")


def _what_next(compose: Compose, env_file: EnvFile, seconds: float) -> str:
    values = env_file.values
    address = values.get("PUBLISH_ADDRESS", "127.0.0.1")
    counts = Counter(container.service for container in compose.containers())
    nodes = ("RABBITMQ_PORT", "RABBITMQ_2_PORT", "RABBITMQ_3_PORT")[: 3 if env_file.cluster else 1]
    account = f"amqp://publisher:{values['PUBLISHER_PASSWORD']}"
    publishers = ",".join(f"{account}@{address}:{values[node]}/restante" for node in nodes)
    publish = join(compose.command("run", "--rm", "publisher", "publish", "alice", '{"hello": "world"}'))
    listen = join(compose.command("run", "--rm", "client", "listen", "alice"))
    monitoring = (
        f"  Grafana     http://{address}:{values['GRAFANA_PORT']}/   operator / {values['GRAFANA_PASSWORD']}\n"
        f"  Prometheus  http://127.0.0.1:{values['PROMETHEUS_PORT']}/alerts\n"
        if env_file.monitoring
        else ""
    )
    return f"""
restante is up after {seconds:.0f} s: {counts["gateway"]} gateways, {counts["dispatcher"]} dispatchers.

  clients     http://{address}:{values["APP_PORT"]}/   (Socket.IO, long-polling too)
  publishers  {publishers}
  RabbitMQ    http://{address}:{values["RABBITMQ_UI_PORT"]}/   operator / {values["OPERATOR_PASSWORD"]}
{monitoring}
Try it: publish to alice, who is away; then be alice.

  {publish}
  {listen}

`make down` stops everything; messages stay. Settings and secrets are in {env_file.path}.
"""


def say(line: str) -> None:
    print(line, flush=True)
