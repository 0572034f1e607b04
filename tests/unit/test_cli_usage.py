"""The command line: help, and one clear line and a code for each thing that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from shared.cli.arguments import json_bytes, seconds, user_id
from tests.support.command import typed
from tests.support.services import ROOT
from tests.support.tokens import token

NOBODY = "amqp://guest:hidden@127.0.0.1:1/"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory in which nothing runs."""
    monkeypatch.chdir(tmp_path)


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    said = typed("--help")

    assert said.code == 0
    for word in ("token", "publish", "listen", "inspect", "dead-letters", "forget", "Exit codes", ".run/env"):
        assert word in said.out


@pytest.mark.parametrize(
    "command",
    [
        "token",
        "publish",
        "listen",
        "inspect",
        "forget",
        "dead-letters",
        "dead-letters list",
        "dead-letters requeue",
        "dead-letters show",
        "dead-letters drop",
    ],
)
def test_every_command_has_help_with_the_exit_codes(command: str) -> None:
    said = typed(*command.split(), "--help")

    assert said.code == 0
    assert "Exit codes" in said.out


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("token a/b", "no user id"),
        ("token alice --expires soon", "no duration"),
        ("token alice --expires 0", "no duration"),
        ("token alice --send a,b/c", "no user id"),
        ("publish alice", "either the data or --binary-file"),
        ("publish alice 1 --binary-file /etc/hostname", "either the data or --binary-file"),
        ("publish", "say for whom"),
        ("publish alice --file nowhere", "cannot read nowhere"),
        ("publish alice 1 --file x", "--file goes with"),
        ("publish alice --file x --receipt", "--file goes with"),
        ("publish alice {", "not JSON"),
        ("publish alice hello", "--text"),
        ("publish alice 1 --id " + "x" * 129, "1 to 128 characters"),
        ("publish alice 1 --id " + "é" * 128, "at most 255 bytes"),
        ("publish alice 1 --count 10 --id " + "x" * 126, "1 to 128 characters"),
        ("publish alice 1 --type " + "x" * 256, "its type is longer"),
        ("publish alice \udcff --text", "no UTF-8 text"),
        ("publish alice 1 --count 0", "than or equal to 1"),
        ("listen alice --no-confirm --refuse no", "choose one"),
        ("listen alice --refuse=", "needs a reason"),
        ("listen alice --value {", "not JSON"),
        ('listen alice --value {"error":"no"}', "say --refuse"),
        ("listen alice --url 127.0.0.1:8000", "no address of a gateway"),
        ("listen alice --url http://127.0.0.1:99999", "no address of a gateway"),
        ("listen alice --url http://[::1", "no address of a gateway"),
        (f"listen alice --token {token('bob')}", "the token is for bob, not for alice"),
        ("dead-letters requeue", "say which"),
        ("dead-letters requeue --all --user alice", "say which"),
        ("dead-letters list --reason boredom", "boredom"),
        ("dead-letters show", "Missing argument"),
        ("dead-letters drop", "say which"),
        ("dead-letters drop --reason refused", "say which"),
        ("dead-letters drop m1 --all", "not both"),
        ("dead-letters drop m1 --json", "--yes"),
        ("forget alice --json", "--yes"),
        ("inspect a/b", "no user id"),
        ("dance", "No such command"),
    ],
)
def test_a_line_that_makes_no_sense_ends_with_2(line: str, complaint: str) -> None:
    said = typed(*line.split(), BROKER_URL=NOBODY, GATEWAY_JWT_SECRET="s" * 32)

    assert said.code == 2
    assert complaint in " ".join(said.err.split())
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "line",
    ["publish alice 1", "inspect alice", "dead-letters list", "dead-letters requeue --all", "forget alice --yes"],
)
def test_a_broker_that_is_away_is_one_line_and_4(line: str) -> None:
    said = typed(*line.split(), BROKER_URL=NOBODY)

    assert said.code == 4
    assert said.err.startswith("restante: no broker: 127.0.0.1:1")
    assert len(said.err.splitlines()) == 1
    assert "hidden" not in said.err


def test_a_wrong_setting_is_one_line_and_3() -> None:
    said = typed("inspect", "alice", BROKER_URL="http://guest:hidden@broker/")

    assert said.code == 3
    assert said.err.startswith("BROKER_URL: must be amqp://")
    assert "hidden" not in said.err


@pytest.mark.parametrize("address", ["localhost:15672", "http://guest:hidden@broker:page/", "http://[::1", "http://"])
def test_an_address_that_is_none_of_rabbitmqs_pages_is_one_line_and_3(address: str) -> None:
    said = typed("queues", RABBITMQ_MANAGEMENT_URL=address)

    assert said.code == 3
    assert said.err.startswith("RABBITMQ_MANAGEMENT_URL: must be http://")
    assert len(said.err.splitlines()) == 1
    assert "hidden" not in said.err


@pytest.mark.parametrize("password", ["hidden%2Fpass", "12%2Fhidden", "hid%40den%3A%25"])
def test_a_password_with_signs_of_an_address_in_it_is_neither_misread_nor_shown(password: str) -> None:
    said = typed("queues", BROKER_URL=f"amqp://guest:{password}@127.0.0.1/", RABBITMQ_MANAGEMENT_URL="http://[::1]:1")

    assert said.code == 4
    assert said.err.startswith("restante: no list of queues: http://[::1]:1 does not answer")


def test_data_from_stdin_that_is_no_text_ends_with_2() -> None:
    command = [sys.executable, "-c", "from shared.cli import main; main()", "publish", "alice", "-"]
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8:strict"}  # as most people's locale has it

    said = subprocess.run(command, cwd=ROOT, env=environment, input=b"\xff", capture_output=True, check=False)

    assert said.returncode == 2
    assert b"no UTF-8 text" in said.stderr
    assert b"Traceback" not in said.stderr


def test_an_answer_that_nobody_reads_is_one_line_and_1() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from shared.cli import main; main()", "token", "alice"]
    environment = {"PATH": os.environ["PATH"], "GATEWAY_JWT_SECRET": "s" * 32}

    with os.fdopen(writer, "wb") as unread:
        said = subprocess.run(command, cwd=ROOT, env=environment, stdout=unread, stderr=subprocess.PIPE, check=False)

    assert said.returncode == 1
    assert said.stderr == b"restante: nothing more can be shown: Broken pipe\n"


def test_listening_without_a_secret_ends_with_3() -> None:
    said = typed("listen", "alice")

    assert said.code == 3
    assert "GATEWAY_JWT_SECRET" in said.err


@pytest.mark.parametrize(
    ("text", "wanted"), [("90", 90), ("90s", 90), ("250ms", 0.25), ("15m", 900), ("1.5h", 5400), ("7d", 604800)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "s", "-1", "1e3", "1w", "1 h", "٣", "0.0001"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        seconds(text)


def test_json_is_passed_on_to_the_letter() -> None:
    assert json_bytes(' {"a": 1.0} ') == b' {"a": 1.0} '


def test_a_user_id_keeps_its_case() -> None:
    assert user_id("Alice@Example.org") == "Alice@Example.org"
