"""What `make up` hands to RabbitMQ: hashes instead of passwords, and always the same for the same passwords."""

import base64
import hashlib
import json
import re

from deploy.rabbitmq.accounts import ACCOUNTS
from deploy.rabbitmq.definitions import definitions, password_hash, password_variable, written
from shared.names import dispatcher_inbox, gateway_inbox

PASSWORDS = {account.name: f"secret of {account.name}" for account in ACCOUNTS}
HEX = "0123456789abcdef"


def account(name: str) -> dict[str, str]:
    found: list[dict[str, str]] = definitions(PASSWORDS, "classic")["permissions"]
    return next(permissions for permissions in found if permissions["user"] == name)


def test_a_hash_is_salt_and_sha256_of_salt_and_password_as_rabbitmq_keeps_it() -> None:
    kept = base64.b64decode(password_hash("gateway", "hunter2"))

    salt, digest = kept[:4], kept[4:]

    assert digest == hashlib.sha256(salt + b"hunter2").digest()


def test_equal_passwords_of_two_accounts_do_not_look_equal() -> None:
    assert password_hash("gateway", "hunter2") != password_hash("dispatcher", "hunter2")


def test_no_password_is_in_what_is_written_and_it_stays_the_same() -> None:
    text = written(definitions(PASSWORDS, "classic"))

    assert not any(password in text for password in PASSWORDS.values())
    assert text == written(definitions(dict(reversed(PASSWORDS.items())), "classic"))
    assert json.loads(text)["vhosts"] == [{"name": "restante"}]


def test_another_password_changes_what_is_written() -> None:
    assert written(definitions({**PASSWORDS, "gateway": "new"}, "classic")) != written(
        definitions(PASSWORDS, "classic")
    )


def test_an_account_has_the_name_of_its_password_in_capitals() -> None:
    assert password_variable("publisher-with-receipts") == "PUBLISHER_WITH_RECEIPTS_PASSWORD"


def test_the_inboxes_that_services_make_are_theirs() -> None:
    assert re.search(account("gateway")["configure"], gateway_inbox(HEX))
    assert re.search(account("dispatcher")["configure"], dispatcher_inbox(HEX))
    assert not re.search(account("gateway")["configure"], gateway_inbox(HEX) + ".mine")


def test_every_pattern_is_of_whole_names() -> None:
    for found in definitions(PASSWORDS, "classic")["permissions"]:
        for right in ("configure", "write", "read"):
            assert re.fullmatch(r"\^.*\$", found[right]), found


def test_only_the_dispatcher_may_write_to_the_exchange_without_a_name() -> None:
    may = [p["user"] for p in definitions(PASSWORDS, "classic")["permissions"] if re.search(p["write"], "amq.default")]

    assert may == ["dispatcher"]
