"""`python -m deploy.containers up|upgrade|down`, which is what `make up`, `make upgrade` and `make down` run."""

import argparse
import os
import sys
from pathlib import Path

from deploy.containers.engine import Compose, NoEngine
from deploy.containers.env_file import EnvFile
from deploy.containers.up import up
from deploy.containers.upgrade import upgrade

FOLDER = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.containers", description="Run all of restante in containers."
    )
    parser.add_argument(
        "--env-file", type=Path, default=FOLDER / ".env", help="secrets and sizes (default: deploy/.env)"
    )
    parser.add_argument("--project", default="restante", help="how Docker calls the containers (default: restante)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="build, start, wait until healthy")
    starting.add_argument("--scale", action="append", default=[], metavar="SERVICE=N", help="so many of a service")
    starting.add_argument("--cluster", action="store_true", help="three RabbitMQ nodes; on the first start only")
    commands.add_parser("upgrade", help="build, then replace gateways and dispatchers one by one, drained")
    stopping = commands.add_parser("down", help="drain and stop; the messages stay")
    stopping.add_argument("--volumes", action="store_true", help="delete the messages too")
    arguments = parser.parse_args()
    env_file = EnvFile(arguments.env_file)
    compose = Compose(FOLDER / "compose.yaml", env_file, arguments.project)
    try:
        compose.check()
        if arguments.command == "up":
            if arguments.cluster and not env_file.choose_cluster():
                raise NoEngine(
                    f"{env_file.path} is of one RabbitMQ node, and its messages would not move to a cluster by "
                    "themselves: deploy/README.md says how they do."
                )
            up(compose, env_file, scale=arguments.scale)
        elif arguments.command == "upgrade":
            replaced = upgrade(compose, env_file)
            print(f"\nUpgraded: {replaced} containers replaced.")
        else:
            env_file.complete()  # compose reads all of its file, also to end what it started
            compose.down(volumes=arguments.volumes)
    except NoEngine as err:
        print(err, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"\nInterrupted. What has started goes on; `{os.environ.get('MAKE', 'make')} down` stops it.",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
