"""A RabbitMQ node of the project's own from an installed rabbitmq-server: one folder, free ports, loopback only.

It shares nothing with a RabbitMQ that is there already, not even epmd, and runs as whoever starts it.
"""

import os
import shutil
from pathlib import Path

from deploy.local import ports
from deploy.local.child import Child, end_leftovers
from deploy.local.rabbitmq import Management, NoBroker, await_up

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_EPMD_SECONDS = 2.0


class Node:
    """Not started yet. Ports, data and name stay the same over `stop`, `kill` and `start`.

    `plugins` are those beside the management page; `more` is added to the configuration.
    """

    kind = "private"

    def __init__(self, server: Path, folder: Path, *, plugins: tuple[str, ...] = (), more: str = "") -> None:
        epmd = shutil.which("epmd") or shutil.which("epmd", path="/usr/lib/erlang/bin:/opt/homebrew/bin:/usr/local/bin")
        if epmd is None:
            raise NoBroker("rabbitmq-server is installed, but Erlang's epmd is not on the PATH")
        self._epmd_command = epmd
        self._server = server
        self._folder = folder
        self._plugins = ("rabbitmq_management", *plugins)
        self._more = more
        self._amqp, self._http, self._distribution, self._epmd_port = ports.free(4)
        self._epmd: Child | None = None
        self._node: Child | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._amqp}/"
        self.management_url = f"http://guest:guest@127.0.0.1:{self._http}/"
        self.version = ""

    def running(self) -> bool:
        return self._node is not None and self._node.running()

    def start(self) -> None:
        """Idempotent. Raises NoBroker, with the end of the node's log."""
        if self.running():
            return
        (self._folder / "conf.d").mkdir(parents=True, exist_ok=True)
        end_leftovers(self._folder)
        self._configure()
        env = self._environment()
        # Started by us and not by the node, epmd is a child like the others, and ends with them.
        self._epmd = Child("epmd", [self._epmd_command], env, folder=self._folder, log=self._folder / "log/epmd.log")
        log = self._folder / "log/console.log"
        self._node = Child("rabbitmq", [str(self._server)], env, folder=self._folder, log=log)
        try:
            self.version = await_up(self._amqp, Management(self.management_url), self.running, _START_SECONDS)
        except NoBroker as err:
            shown = self._node.last_lines()
            self.close()
            raise NoBroker(f"{err}; the end of {log}:\n{shown}") from err

    def stop(self) -> None:
        """A clean stop. Idempotent."""
        if self._node is not None:
            self._node.end(_STOP_SECONDS)
        self._end_epmd()

    def kill(self) -> None:
        """SIGKILL, as in a crash. Idempotent."""
        if self._node is not None:
            self._node.kill()
        self._end_epmd()

    def close(self) -> None:
        self.stop()

    def _end_epmd(self) -> None:
        if self._epmd is not None:
            self._epmd.end(_EPMD_SECONDS)

    def _configure(self) -> None:
        files = {
            "enabled_plugins": f"[{','.join(self._plugins)}].\n",
            "rabbitmq-env.conf": "",  # else the system's own is read
            "rabbitmq.conf": (
                f"listeners.tcp.1 = 127.0.0.1:{self._amqp}\n"
                f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._http}\n{self._more}"
            ),
        }
        for name, text in files.items():
            (self._folder / name).write_text(text, encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but the PATH, so that no RABBITMQ_ variable of another node gets in."""
        folder = self._folder
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # the Erlang cookie goes there
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "restante@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(folder / "log/node.log"),
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script then execs the VM: its pid is the node's, and SIGTERM is a clean stop.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
