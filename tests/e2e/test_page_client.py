"""restante's own JavaScript client in Node: what it does with messages, and what its handler may do to it."""

from pathlib import Path

import pytest

from tests.support.page import NodePage
from tests.support.publisher import Publisher
from tests.support.services import Service, Services
from tests.support.tokens import token

pytestmark = pytest.mark.usefixtures("node")


def page_of(gateway: Service, user: str, file: Path | None = None, **options: object) -> NodePage:
    return NodePage(gateway.url, user, [token(user, send="*")], file, options)


async def test_a_message_is_confirmed_after_its_handler_is_done_and_not_before(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    receipts = await publisher.bind_receipts(alice)
    async with page_of(gateway, alice) as page:
        await page.tell("mode", mode="hold", value={"ok": 1})
        await page.open()
        await page.says("state", state="online")
        await publisher.publish(alice, "wait", id="m1", reply_to=alice, correlation_id="c1")
        await page.says("began", id="m1")
        # Another answer of this gateway shows that a confirmation would have been heard by now.
        await page.tell("send", to=alice, data="later", options={"id": "m2"})
        await page.says("sent", id=f"{alice}/m2")
        assert receipts.empty()

        await page.tell("end", id="m1")

        _, receipt = await receipts.get()
        assert (receipt["outcome"], receipt["value"]) == ("confirmed", {"ok": 1})
        await page.says("began", id=f"{alice}/m2")
        await page.tell("end", id=f"{alice}/m2")
        await publisher.waits(alice, 0)


async def test_a_handler_that_throws_refused_makes_a_dead_letter(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    async with page_of(gateway, alice) as page:
        await page.tell("mode", mode="refuse", reason="no such order")
        await page.open()
        await publisher.publish(alice, 1, id="m1")

        (letter,) = await publisher.dead_letters(alice)

        assert (letter["reason"], letter["detail"]) == ("refused", "no such order")
        assert page.ids("began") == ["m1"]


async def test_a_handler_that_throws_anything_else_is_called_again_and_the_next_messages_are_handled(
    services: Services, publisher: Publisher, alice: str
) -> None:
    patience = {"GATEWAY_PING_INTERVAL_SECONDS": "1", "GATEWAY_PING_TIMEOUT_SECONDS": "1"}
    gateway, _ = await services.pair(GATEWAY_CONFIRM_TIMEOUT_SECONDS="3", **patience)
    async with page_of(gateway, alice) as page:
        await page.tell("mode", mode="throw")
        await page.open()
        await publisher.publish(alice, 1, id="m1")
        await page.says("error", text="a fault of the page")
        await page.tell("mode", mode="confirm")
        await publisher.publish(alice, 2, id="m2")
        await page.says("handled", id="m2")
        assert not page.all("handled", id="m1")

        await page.says("handled", id="m1")

        assert page.ids("began") == ["m1", "m2", "m1"]
        await publisher.waits(alice, 0)


async def test_a_handler_that_never_ends_holds_up_the_others_only_for_its_patience(
    services: Services, publisher: Publisher, alice: str
) -> None:
    patience = {"GATEWAY_PING_INTERVAL_SECONDS": "1", "GATEWAY_PING_TIMEOUT_SECONDS": "1"}
    gateway, _ = await services.pair(GATEWAY_CONFIRM_TIMEOUT_SECONDS="3", DISPATCHER_MAX_ATTEMPTS="2", **patience)
    async with page_of(gateway, alice, patienceMs=500) as page:
        await page.tell("mode", mode="hold", only="stuck")
        await page.open()
        await publisher.publish(alice, 1, id="stuck")
        await publisher.publish(alice, 2, id="m2")

        await page.says("handled", id="m2")
        (letter,) = await publisher.dead_letters(alice)

        assert (letter["reason"], letter["id"]) == ("unconfirmed", "stuck")
        assert page.ids("began") == ["stuck", "m2"]  # not called again while it runs


async def test_an_answer_of_a_handler_that_outlived_its_connection_goes_to_the_next_one(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    receipts = await publisher.bind_receipts(alice)
    async with page_of(gateway, alice) as page:
        await page.tell("mode", mode="hold", only="m1", value="late")
        await page.open()
        await publisher.publish(alice, 1, id="m1", reply_to=alice, correlation_id="c1")
        await publisher.publish(alice, 2, id="m2")
        await page.says("began", id="m1")
        await page.tell("disconnect")
        await page.says("state", state="offline")
        await page.tell("end", id="m1")
        await page.says("handled", id="m1")

        await page.tell("connect")

        _, receipt = await receipts.get()
        assert receipt["value"] == "late"
        await page.says("handled", id="m2")
        await publisher.waits(alice, 0)
        assert page.ids("began") == ["m1", "m2"]


async def test_what_was_handled_is_not_handled_again_by_the_next_page(
    gateway: Service, publisher: Publisher, alice: str, tmp_path: Path
) -> None:
    async with page_of(gateway, alice, tmp_path / "storage") as page:
        await page.open()
        await page.says("state", state="online")
        await publisher.publish(alice, 1, id="m1")
        await page.says("handled", id="m1")
        await page.noted()
    async with page_of(gateway, alice, tmp_path / "storage") as page:
        await page.open()
        await publisher.publish(alice, 1, id="m1")  # as a publisher that did not hear the confirm
        await publisher.publish(alice, 2, id="m2")
        await page.says("handled", id="m2")

        assert page.ids("began") == ["m2"]
        await publisher.waits(alice, 0)


async def test_a_full_storage_is_reported_once_and_memory_does(
    gateway: Service, publisher: Publisher, alice: str, tmp_path: Path
) -> None:
    async with page_of(gateway, alice, tmp_path / "storage") as page:
        await page.tell("mode", mode="confirm", full=True)
        await page.open()
        await publisher.publish(alice, 1, id="m1")
        await page.says("handled", id="m1")
        await publisher.publish(alice, 1, id="m1")
        await page.tell("send", to=alice, data=1, options={"id": "m2"})
        await page.says("handled", id=f"{alice}/m2")

        assert page.ids("began") == ["m1", f"{alice}/m2"]
        assert len(page.all("error")) == 1
