"""`restante verify` judges pages that are given by hand: what must be equal, what one may exceed, what nobody knows."""

import asyncio
import re
import socket
from dataclasses import replace

import pytest

from shared.cli.failures import Exit, Failure
from shared.cli.pages import addresses, parsed, read
from shared.cli.sums import Broker, Check, Page, Reading, Verdict, checks, merged
from shared.cli.verify import LOOK_SECONDS, LOOKS
from tests.support.services import ROOT

DISPATCHER = Page(
    "http://d:8001",
    {
        "deliveries_total": 10.0,
        "acked_total": 6.0,
        'requeued_total{reason="released"}': 1.0,
        'requeued_total{reason="channel"}': 1.0,
        "held": 2.0,
        "forwarded_total": 12.0,
        "outcomes_total": 7.0,
        "partitions_owned": 64.0,
        "sessions": 3.0,
    },
)
GATEWAY = Page(
    "http://g:8002",
    {
        "forwards_total": 12.0,
        "emitted_total": 9.0,
        'forwards_not_emitted_total{reason="known"}': 2.0,
        "waiting": 1.0,
        'answers_total{answer="confirmed"}': 6.0,
        'answers_total{answer="refused"}': 1.0,
        "abandoned_total": 0.0,
        "unanswered": 2.0,
        'outcomes_total{outcome="confirmed"}': 8.0,
        "sessions": 3.0,
    },
)
GOOD = Reading([GATEWAY], [DISPATCHER], [GATEWAY], Broker(unacked=2, leases=3, acks=6))


def changed(page: Page, **samples: float) -> Page:
    return replace(page, samples={**page.samples, **samples})


def wrong(reading: Reading) -> list[str]:
    return [check.name for check in checks(reading) if check.verdict is Verdict.DIFFERS]


def test_services_and_a_broker_that_agree_fit() -> None:
    assert {check.verdict for check in checks(GOOD)} == {Verdict.FITS}


@pytest.mark.parametrize("name", ["deliveries_total", "acked_total", "held"])
def test_a_delivery_that_is_nowhere_does_not_fit(name: str) -> None:
    lossy = changed(DISPATCHER, **{name: DISPATCHER.samples[name] + 1})

    assert "deliveries of http://d:8001" in wrong(replace(GOOD, dispatchers=[lossy], broker=None))


def test_a_forward_that_is_nowhere_does_not_fit() -> None:
    assert wrong(replace(GOOD, later=[changed(GATEWAY, waiting=0.0)])) == ["forwards of http://g:8002"]


def test_an_emitted_message_that_is_nowhere_does_not_fit() -> None:
    assert wrong(replace(GOOD, later=[changed(GATEWAY, unanswered=1.0)])) == ["answers of http://g:8002"]


def test_more_may_be_sent_than_arrives_but_not_the_other_way_round() -> None:
    behind = replace(GOOD, dispatchers=[changed(DISPATCHER, forwarded_total=11.0, outcomes_total=9.0)])
    ahead = replace(GOOD, dispatchers=[changed(DISPATCHER, forwarded_total=20.0, outcomes_total=0.0)])

    assert wrong(behind) == ["on the way out", "on the way back"]
    assert wrong(ahead) == []


@pytest.mark.parametrize("owned", [63.0, 65.0])
def test_each_partition_has_one_owner(owned: float) -> None:
    assert wrong(replace(GOOD, dispatchers=[changed(DISPATCHER, partitions_owned=owned)])) == ["partitions"]


def test_what_the_broker_says_is_held_against_what_dispatchers_hold() -> None:
    assert wrong(replace(GOOD, broker=Broker(unacked=5, leases=4, acks=6))) == ["held", "leases"]


def test_acks_that_differ_prove_nothing_because_each_side_forgets_its_own() -> None:
    found = checks(replace(GOOD, broker=Broker(unacked=2, leases=3, acks=600)))

    assert [check.name for check in found if check.verdict is not Verdict.FITS] == ["acks"]
    assert found[-1].verdict is Verdict.UNKNOWN


def test_without_the_management_api_the_rest_is_compared_all_the_same() -> None:
    found = checks(replace(GOOD, broker=None, why="it does not answer"))

    assert found[-1].verdict is Verdict.UNKNOWN
    assert "it does not answer" in found[-1].sum
    assert {check.verdict for check in found[:-1]} == {Verdict.FITS}


def test_a_service_that_does_not_answer_is_a_finding() -> None:
    assert wrong(replace(GOOD, silent=["http://d2:8001"])) == ["answers"]


def test_what_fitted_once_was_only_moving() -> None:
    def look(first: Verdict, second: Verdict) -> list[Check]:
        return [Check("held", first, "1"), Check("leases", second, "2")]

    found = merged([look(Verdict.DIFFERS, Verdict.DIFFERS), look(Verdict.FITS, Verdict.DIFFERS)])

    assert [check.verdict for check in found] == [Verdict.FITS, Verdict.DIFFERS]


@pytest.mark.parametrize(
    ("held", "unacked", "verdict"),
    [
        ([4, 2, 5], [3, 3, 4], Verdict.FITS),
        ([4, 4, 4], [3, 3, 3], Verdict.DIFFERS),
        ([5, 6, 7], [1, 2, 4], Verdict.DIFFERS),
        ([4, 2], [3, 3], Verdict.DIFFERS),
    ],
)
def test_figures_that_move_through_the_same_values_are_the_same(
    held: list[int], unacked: list[int], verdict: Verdict
) -> None:
    def look(ours: int, theirs: int) -> list[Check]:
        dispatcher = changed(DISPATCHER, held=float(ours), deliveries_total=8.0 + ours)
        return checks(replace(GOOD, dispatchers=[dispatcher], broker=Broker(unacked=theirs, leases=3, acks=6)))

    found = merged([look(ours, theirs) for ours, theirs in zip(held, unacked, strict=True)])

    assert [check.verdict for check in found if check.name == "held"] == [verdict]
    assert {check.verdict for check in found if check.name != "held"} == {Verdict.FITS}


def test_a_metrics_page_is_read_with_its_labels_and_only_for_what_is_ours() -> None:
    text = '# TYPE restante_x counter\nrestante_x_total{b="2",a="1"} 3.0\n# TYPE other gauge\nother 1.0\n'

    assert parsed(text) == {'x_total{a="1",b="2"}': 3.0}


def test_what_rabbitmq_counted_long_ago_is_not_told_as_a_difference() -> None:
    conf = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text()
    (interval,) = re.findall(r"^collect_statistics_interval = (\d+)$", conf, re.MULTILINE)

    assert int(interval) < (LOOKS - 1) * LOOK_SECONDS * 1000


async def test_a_name_that_nobody_has_is_a_service_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)

    wanted = await addresses(["http://dispatcher:8001", "gateway:8002"])

    assert wanted == ["http://dispatcher:8001", "http://gateway:8002"]
    assert (await read(wanted)).silent == wanted


@pytest.mark.parametrize("text", ["http://", "http://here:port", "http://[::1"])
async def test_what_can_be_nobodys_address_is_wrong_usage(text: str) -> None:
    with pytest.raises(Failure) as failed:
        await addresses([text])

    assert failed.value.code is Exit.USAGE
