"""deploy/compose.yaml passes on what an operator writes into deploy/.env."""

import re
from pathlib import Path

import pytest

from dispatcher.settings import Settings
from gateway.settings import GatewaySettings

COMPOSE = (Path(__file__).parents[2] / "deploy/compose.yaml").read_text()

NEED_A_FILE = {"BROKER_CA_FILE", "GATEWAY_JWKS_FILE", "GATEWAY_SOCKET_IO_CLIENT_FILE"}
"""deploy/README.md shows how one gets into a container."""


@pytest.mark.parametrize("kind", [GatewaySettings, Settings])
def test_every_setting_reaches_its_service(kind: type[GatewaySettings | Settings]) -> None:
    missing = {
        name.upper() for name in kind.model_fields if not re.search(rf"^ +{name.upper()}:", COMPOSE, re.MULTILINE)
    }

    assert missing <= NEED_A_FILE
