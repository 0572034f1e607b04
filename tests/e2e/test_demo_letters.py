"""What the demo page knows of each message, without a page: tests/e2e/node/letters.test.mjs."""

import subprocess

import pytest

from tests.support.node import HERE


@pytest.mark.usefixtures("node")
def test_the_account_of_what_became_of_each_message_is_right() -> None:
    command = ["node", "--test", "letters.test.mjs"]

    ran = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=100, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "tests 6" in ran.stdout
