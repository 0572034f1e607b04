"""When the page's client asks for tokens, without a gateway: tests/e2e/node/login.test.mjs."""

import subprocess

import pytest

from tests.support.node import HERE


@pytest.mark.usefixtures("node")
def test_the_client_asks_for_tokens_only_while_it_wants_a_login() -> None:
    command = ["node", "--test", "login.test.mjs"]

    ran = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=100, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "tests 2" in ran.stdout
