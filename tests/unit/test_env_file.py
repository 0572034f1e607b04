"""deploy/.env: made once, completed later, never changed, and read by its owner alone."""

import stat
from pathlib import Path

import pytest

from deploy.containers.env_file import EnvFile
from deploy.rabbitmq.accounts import ACCOUNTS
from deploy.rabbitmq.definitions import password_variable

SECRETS = [password_variable(account.name) for account in ACCOUNTS]


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, "GATEWAY_JWT_SECRET", "GATEWAY_JWKS_URL", "APP_PORT", "RABBITMQ_NODES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deploy" / ".env"


def completed(file: Path) -> dict[str, str]:
    env_file = EnvFile(file)
    env_file.complete()
    return env_file.values


def test_the_first_run_makes_a_secret_for_each_account_and_for_tokens(file: Path) -> None:
    values = completed(file)

    secrets = [values[name] for name in (*SECRETS, "GATEWAY_JWT_SECRET")]
    assert len(set(secrets)) == len(secrets)
    assert min(map(len, secrets)) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_later_run_changes_nothing(file: Path) -> None:
    completed(file)
    before = file.read_bytes()

    completed(file)

    assert file.read_bytes() == before


def test_what_is_missing_is_added_and_what_somebody_wrote_stays(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("# mine\nGATEWAYS=4\nOPERATOR_PASSWORD=easy to remember\n")

    values = completed(file)

    assert (values["GATEWAYS"], values["OPERATOR_PASSWORD"]) == ("4", "easy to remember")
    assert len(values["GATEWAY_PASSWORD"]) >= 43
    assert file.read_text().startswith("# mine\nGATEWAYS=4\n")


def test_a_file_that_somebody_made_is_for_its_owner_alone_once_there_are_secrets_in_it(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("COMPOSE_PROFILES=monitoring\n")  # as deploy/MONITORING.md says
    file.chmod(0o644)

    completed(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_last_line_without_an_end_stays_as_it_is(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("GATEWAYS=4")

    values = completed(file)

    assert values["GATEWAYS"] == "4"
    assert set(SECRETS) <= values.keys()


def test_three_nodes_can_be_chosen_until_there_are_accounts(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("GATEWAYS=4\n")
    env_file = EnvFile(file)

    assert env_file.choose_cluster()
    env_file.complete()

    values = EnvFile(file).values
    assert (values["RABBITMQ_NODES"], values["BROKER_QUEUE_TYPE"]) == ("3", "quorum")
    assert "RABBITMQ_3_PORT" in values


def test_one_node_that_has_its_accounts_does_not_become_three(file: Path) -> None:
    completed(file)

    assert not EnvFile(file).choose_cluster()


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('X="a b"', "a b"),
        ("X='a#b' # mine", "a#b"),
        ("X=a#b", "a#b"),
        ("X=4 # four", "4"),
        ("X= # none", ""),
        ("X='a", "'a"),
    ],
)
def test_a_line_is_read_as_compose_reads_it(line: str, value: str, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(line + "\n")

    assert EnvFile(file).values["X"] == value


def test_no_secret_for_tokens_is_made_where_keys_are_fetched(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("GATEWAY_JWKS_URL=https://login.example/keys\n")

    assert "GATEWAY_JWT_SECRET" not in completed(file)


def test_the_environment_comes_before_the_file_as_it_does_for_compose(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed(file)
    monkeypatch.setenv("APP_PORT", "8443")

    assert EnvFile(file).values["APP_PORT"] == "8443"


def test_definitions_are_written_where_only_the_owner_and_the_container_get_at_them(file: Path) -> None:
    completed(file)

    assert EnvFile(file).write_definitions()

    written = EnvFile(file).definitions
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(written.stat().st_mode) == 0o644  # RabbitMQ's uid in its container is another


def test_two_installations_in_one_folder_have_definitions_of_their_own(file: Path) -> None:
    beside = file.with_name("cluster.env")
    completed(file)
    EnvFile(file).write_definitions()
    before = EnvFile(file).definitions.read_bytes()

    completed(beside)
    EnvFile(beside).write_definitions()

    assert EnvFile(file).definitions.read_bytes() == before


def test_definitions_are_written_again_only_when_something_changed_and_into_the_same_file(file: Path) -> None:
    completed(file)
    EnvFile(file).write_definitions()
    inode = EnvFile(file).definitions.stat().st_ino

    assert not EnvFile(file).write_definitions()
    file.write_text(file.read_text().replace("GATEWAY_PASSWORD=", "GATEWAY_PASSWORD=x"))
    assert EnvFile(file).write_definitions()

    assert EnvFile(file).definitions.stat().st_ino == inode  # a container has mounted this one
