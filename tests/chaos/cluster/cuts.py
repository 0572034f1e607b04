"""Cuts between containers: what passes their network is dropped inside their own, from this machine, by root."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable

from tests.support.containers import docker


class NoCut(Exception):
    """Nobody can cut here; says why."""


def check() -> None:
    """Raises `NoCut`."""
    if os.geteuid() != 0:
        raise NoCut("cutting a container's network needs root")
    for tool in ("nsenter", "iptables"):
        if shutil.which(tool) is None:
            raise NoCut(f"there is no `{tool}` on this machine")


def addresses(name: str) -> list[str]:
    """Those of a container that runs, in all its networks."""
    networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", name))
    return [network["IPAddress"] for network in networks.values() if network["IPAddress"]]


def cut(name: str, others: Iterable[str]) -> None:
    """Nothing passes between this container and the others any more; nothing is refused, nothing answered."""
    for other in others:
        for address in addresses(other):
            _iptables(name, "--insert", "INPUT", "--source", address, "--jump", "DROP")
            _iptables(name, "--insert", "OUTPUT", "--destination", address, "--jump", "DROP")


def cut_from_everybody(name: str) -> None:
    _iptables(name, "--insert", "INPUT", "!", "--in-interface", "lo", "--jump", "DROP")
    _iptables(name, "--insert", "OUTPUT", "!", "--out-interface", "lo", "--jump", "DROP")


def mend(name: str) -> None:
    """Idempotent."""
    for chain in ("INPUT", "OUTPUT"):
        _iptables(name, "--flush", chain)


def _iptables(name: str, *rule: str) -> None:
    pid = docker("inspect", "--format", "{{.State.Pid}}", name)
    command = ("nsenter", "--target", pid, "--net", "iptables", "--wait", *rule)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
