"""`restante token`: what the token says, and where the secret comes from."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from shared.cli.surroundings import settings
from tests.support.command import typed

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory in which nothing runs."""
    monkeypatch.chdir(tmp_path)


def claims(*words: str, **environment: str) -> dict[str, Any]:
    said = typed("token", *words, **{"GATEWAY_JWT_SECRET": SECRET, **environment})
    assert (said.code, said.err) == (0, "")
    return jwt.decode(said.out.strip(), SECRET, algorithms=["HS256"], options={"verify_aud": False})


def test_a_token_names_its_user_and_lasts_an_hour() -> None:
    said = claims("alice")

    assert said["sub"] == "alice"
    assert said["exp"] - said["iat"] == 3600
    assert abs(said["iat"] - time.time()) < 60
    assert "send" not in said


def test_a_token_lasts_as_long_as_it_is_told() -> None:
    said = claims("alice", "--expires", "7d")

    assert said["exp"] - said["iat"] == 7 * 86400


def test_a_token_says_whom_its_user_may_send_to() -> None:
    assert claims("alice", "--send", "bob, carol")["send"] == ["bob", "carol"]
    assert claims("alice", "--send", "*")["send"] == "*"


def test_a_token_is_one_that_the_gateway_asks_for() -> None:
    said = claims(
        "alice",
        GATEWAY_JWT_USER_CLAIM="email",
        GATEWAY_JWT_AUDIENCE="restante",
        GATEWAY_JWT_ISSUER="https://id.example",
    )

    assert (said["email"], said["aud"], said["iss"]) == ("alice", "restante", "https://id.example")
    assert "sub" not in said


def test_the_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")

    for said in (
        typed("token", "alice", "--secret-file", str(file)),
        typed("token", "alice", GATEWAY_JWT_SECRET_FILE=str(file)),
    ):
        assert jwt.decode(said.out.strip(), SECRET, algorithms=["HS256"])["sub"] == "alice"


def test_json_says_when_it_ends() -> None:
    [said] = typed("token", "alice", "--json", "--send", "bob", GATEWAY_JWT_SECRET=SECRET).lines

    assert (said["user"], said["send"]) == ("alice", ["bob"])
    assert jwt.decode(said["token"], SECRET, algorithms=["HS256"])["exp"] == pytest.approx(said["expires"], abs=2)


def test_without_a_secret_it_says_where_one_may_come_from() -> None:
    said = typed("token", "alice")

    assert said.code == 3
    assert "GATEWAY_JWT_SECRET" in said.err
    assert "--secret-file" in said.err


def test_a_secret_that_no_gateway_accepts_is_refused() -> None:
    said = typed("token", "alice", GATEWAY_JWT_SECRET="short")

    assert said.code == 3
    assert "32 bytes" in said.err


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = typed("token", "alice", "--secret-file", str(tmp_path / "none"))

    assert said.code == 3
    assert "No such file" in said.err


def test_what_make_run_wrote_here_is_used(tmp_path: Path) -> None:
    written(tmp_path, f"# of make run\nGATEWAY_JWT_SECRET={SECRET}\nnonsense\n")

    said = typed("token", "alice")

    assert jwt.decode(said.out.strip(), SECRET, algorithms=["HS256"])["sub"] == "alice"


def test_the_environment_goes_before_what_make_run_wrote(tmp_path: Path) -> None:
    written(tmp_path, "GATEWAY_JWT_SECRET=" + "o" * 32)
    file = tmp_path / "secret"
    file.write_text(SECRET)

    for said in (
        typed("token", "alice", GATEWAY_JWT_SECRET=SECRET),
        typed("token", "alice", GATEWAY_JWT_SECRET_FILE=str(file)),
    ):
        assert jwt.decode(said.out.strip(), SECRET, algorithms=["HS256"])["sub"] == "alice"


def test_what_make_run_wrote_and_nobody_can_read_is_one_line_and_3(tmp_path: Path) -> None:
    (tmp_path / ".run/env").mkdir(parents=True)

    said = typed("token", "alice", GATEWAY_JWT_SECRET=SECRET)

    assert said.code == 3
    assert said.err.startswith("restante: cannot read .run/env")


@pytest.mark.parametrize(
    ("environment", "pages"),
    [
        ({}, "http://u:p@run:1"),
        ({"BROKER_URL": "amqp://u:p@run/"}, "http://u:p@run:1"),
        ({"BROKER_URL": "amqp://u:p@other/"}, "http://u:p@other:15672"),
        ({"BROKER_URL": "amqp://u:p@other/", "RABBITMQ_MANAGEMENT_URL": "http://u:p@its:2"}, "http://u:p@its:2"),
    ],
)
def test_the_pages_of_make_runs_broker_are_not_taken_for_those_of_another_one(
    environment: dict[str, str], pages: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "BROKER_URL=amqp://u:p@run/\nRABBITMQ_MANAGEMENT_URL=http://u:p@run:1\n")
    for name in ("BROKER_URL", "BROKER_URL_FILE", "RABBITMQ_MANAGEMENT_URL", "RABBITMQ_MANAGEMENT_URL_FILE"):
        monkeypatch.setenv(name, environment.get(name, ""))

    assert settings().management_url == pages


@pytest.mark.parametrize(
    ("broker", "pages"),
    [("amqp://u:p@here/", "http://u:p@here:15672"), ("amqps://u:p@here/", "https://u:p@here:15671")],
)
def test_a_password_that_goes_to_the_broker_by_tls_goes_to_its_pages_by_tls_too(
    broker: str, pages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", broker)
    monkeypatch.delenv("RABBITMQ_MANAGEMENT_URL", raising=False)

    assert settings().management_url == pages


def written(folder: Path, text: str) -> None:
    (folder / ".run").mkdir()
    (folder / ".run/env").write_text(text)
