import logging
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Demo, GatewaySettings
from shared.log import _Seldom
from shared.settings import BrokerSettings, ListenAddress, help_text, load

SECRET = "s" * 32
DEFAULTS = {"GATEWAY_JWT_SECRET": SECRET}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GatewaySettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> GatewaySettings:
    for name, value in (DEFAULTS | environment).items():
        monkeypatch.setenv(name, value)
    return load(GatewaySettings)


def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    with pytest.raises(SystemExit) as end:
        loaded(monkeypatch, **environment)

    assert end.value.code == 3
    return capsys.readouterr().err


def test_defaults_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)

    assert [url.get_secret_value() for url in settings.broker_url] == ["amqp://guest:guest@127.0.0.1:5672/"]
    assert str(settings.gateway_listen) == "127.0.0.1:8000"
    assert str(settings.gateway_admin_listen) == "127.0.0.1:8002"
    assert (settings.gateway_path, settings.gateway_namespace) == ("/socket.io/", "/")
    assert settings.gateway_transports == ("websocket",)
    assert (settings.gateway_ping_interval_seconds, settings.gateway_ping_timeout_seconds) == (10, 8)
    assert settings.gateway_confirm_timeout_seconds == 30
    assert settings.gateway_max_sessions_per_user == 10
    assert settings.gateway_send_per_second == 20
    assert settings.gateway_drain_seconds == 20
    assert settings.max_message_bytes == 262144
    assert settings.gateway_demo is Demo.OFF


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, GATEWAY_LISTEN="", BROKER_CA_FILE="").gateway_listen.port == 8000


def test_several_brokers_are_separated_by_commas_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, BROKER_URL="amqp://u:hidden@a/, amqps://u:hidden@b:1/v")

    assert [url.get_secret_value() for url in settings.broker_url] == ["amqp://u:hidden@a/", "amqps://u:hidden@b:1/v"]
    assert "hidden" not in repr(settings)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEWAY_LISTEN", "8000", "GATEWAY_LISTEN: must be host:port"),
        ("GATEWAY_LISTEN", "::1:8000", "GATEWAY_LISTEN: must be host:port"),
        ("GATEWAY_LISTEN", "h:99999", "GATEWAY_LISTEN: port must be a number up to 65535"),
        ("GATEWAY_PATH", "socket.io", "GATEWAY_PATH: must start with /"),
        ("GATEWAY_TRANSPORTS", "telepathy", "GATEWAY_TRANSPORTS: must be websocket, polling or both"),
        ("GATEWAY_SEND_PER_SECOND", "lots", "GATEWAY_SEND_PER_SECOND: should be a valid number"),
        ("GATEWAY_DEMO", "perhaps", "GATEWAY_DEMO: should be false, true or public"),
        ("GATEWAY_JWKS_URL", "ftp://x", "GATEWAY_JWKS_URL: must start with https:// or http://"),
        ("GATEWAY_JWKS_URL", "https:///keys", "GATEWAY_JWKS_URL: must name a host"),
        ("GATEWAY_JWKS_URL", "https://[::1", "GATEWAY_JWKS_URL: Invalid IPv6 URL"),
        ("GATEWAY_CONFIRM_TIMEOUT_SECONDS", "inf", "GATEWAY_CONFIRM_TIMEOUT_SECONDS: should be a finite number"),
        ("GATEWAY_SEND_PER_SECOND", "inf", "GATEWAY_SEND_PER_SECOND: should be a finite number"),
        ("BROKER_QUEUE_TYPE", "stream", "BROKER_QUEUE_TYPE: should be 'classic' or 'quorum'"),
        ("MAX_MESSAGE_BYTES", "0", "MAX_MESSAGE_BYTES: should be greater than 0"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: should be 'debug'"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_one_line_that_names_it(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = complaint(monkeypatch, capsys, **{name: value}).splitlines()

    assert len(lines) == 1
    assert lines[0].startswith(said)
    assert value.rpartition(":")[2] in lines[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_URL", "http://guest:hidden@broker/"),
        ("BROKER_URL", "amqp://guest:hidden@broker:hidden/"),
        ("GATEWAY_JWT_SECRET", "hidden"),
        ("GATEWAY_JWKS_URL", "https://issuer:hidden@keys.example/"),
    ],
)
def test_a_wrong_secret_is_named_and_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(monkeypatch, capsys, **{name: value})

    assert said.startswith(f"{name}: must ")
    assert "hidden" not in said


def test_every_wrong_setting_gets_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(monkeypatch, capsys, GATEWAY_LISTEN="x", LOG_FORMAT="y", BROKER_URL="z")

    assert [line.partition(":")[0] for line in said.splitlines()] == ["BROKER_URL", "LOG_FORMAT", "GATEWAY_LISTEN"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GATEWAY_JWT_SECRET": ""}, "set exactly one of GATEWAY_JWT_SECRET"),
        ({"GATEWAY_JWKS_URL": "https://keys"}, "set exactly one of GATEWAY_JWT_SECRET"),
        ({"GATEWAY_CONFIRM_TIMEOUT_SECONDS": "18"}, "GATEWAY_CONFIRM_TIMEOUT_SECONDS must be more than"),
        ({"GATEWAY_DEMO": "true", "GATEWAY_LISTEN": "0.0.0.0:8000"}, "GATEWAY_DEMO lets anyone be anyone"),
        (
            {"GATEWAY_DEMO": "true", "GATEWAY_JWT_SECRET": "", "GATEWAY_JWKS_URL": "https://keys"},
            "GATEWAY_DEMO gives tokens out",
        ),
    ],
)
def test_settings_that_do_not_go_together_say_which(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint(monkeypatch, capsys, **environment).startswith(said)


def test_the_demo_listens_beyond_loopback_only_when_told_public(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, GATEWAY_DEMO="public", GATEWAY_LISTEN="0.0.0.0:8000")

    assert settings.gateway_demo is Demo.PUBLIC


def test_a_secret_is_read_from_the_file_that_its_name_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("f" * 32 + "\n")
    (tmp_path / "url").write_text("amqp://u:p@elsewhere/\n")

    settings = loaded(
        monkeypatch,
        GATEWAY_JWT_SECRET="",
        GATEWAY_JWT_SECRET_FILE=str(tmp_path / "secret"),
        BROKER_URL_FILE=str(tmp_path / "url"),
    )

    assert settings.gateway_jwt_secret is not None
    assert settings.gateway_jwt_secret.get_secret_value() == "f" * 32
    assert settings.broker_url[0].get_secret_value() == "amqp://u:p@elsewhere/"


def test_a_secret_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()

    assert "No such file" in complaint(monkeypatch, capsys, GATEWAY_JWT_SECRET="", GATEWAY_JWT_SECRET_FILE="/nowhere")
    assert "is empty" in complaint(
        monkeypatch, capsys, GATEWAY_JWT_SECRET="", GATEWAY_JWT_SECRET_FILE=str(tmp_path / "empty")
    )
    assert "not both" in complaint(monkeypatch, capsys, GATEWAY_JWT_SECRET_FILE=str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:8000", "::1", 8000, True),
        ("[::]:8000", "::", 8000, False),
        ("0.0.0.0:8000", "0.0.0.0", 8000, False),  # noqa: S104
        ("gateway.example:8000", "gateway.example", 8000, False),
    ],
)
def test_a_listen_address_is_a_host_and_a_port(text: str, host: str, port: int, loopback: bool) -> None:
    address = ListenAddress.parse(text)

    assert (address.host, address.port, address.is_loopback, str(address)) == (host, port, loopback, text)


def test_help_names_every_setting_with_its_default_and_no_secret() -> None:
    text = help_text(GatewaySettings, "python -m gateway")

    for name in GatewaySettings.model_fields:
        assert re.search(rf"^  {name.upper()}  \[.+\]$", text, re.MULTILINE), name
    assert "GATEWAY_PING_INTERVAL_SECONDS  [10]" in text
    assert "or the file that GATEWAY_JWT_SECRET_FILE names" in text
    assert all(len(field.description or "") > 5 for field in GatewaySettings.model_fields.values())


def test_settings_cannot_be_changed_after_they_were_read() -> None:
    settings = BrokerSettings()

    with pytest.raises(ValidationError):
        settings.max_message_bytes = 1


def test_a_library_gets_one_log_line_in_ten_seconds_and_no_traceback() -> None:
    seldom = _Seldom()
    error = ZeroDivisionError()
    records = [
        logging.LogRecord("engineio", logging.ERROR, "", 0, "receive error", None, (type(error), error, None))
        for _ in range(3)
    ]

    passed = [record for record in records if seldom.filter(record)]

    assert [record.getMessage() for record in passed] == ["receive error (ZeroDivisionError)"]
    assert passed[0].exc_info is None
