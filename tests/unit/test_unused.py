"""What a service does not use is not in its memory."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("service", ["gateway", "dispatcher"])
def test_a_service_imports_nothing_that_only_clients_and_commands_need(service: str) -> None:
    look = f"import sys, {service}.__main__; print([name for name in sys.modules if sys.modules[name] is not None])"

    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert "'aio_pika'" in said.stdout
    assert not [name for name in ("aiohttp", "requests", "websocket", "rich") if f"'{name}'" in said.stdout]
