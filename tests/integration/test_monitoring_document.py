"""deploy/MONITORING.md says everything that the services count and log, and nothing that they do not."""

import ast
import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from dispatcher import app as dispatcher
from dispatcher.settings import Settings
from gateway import app as gateway
from gateway.settings import GatewaySettings
from gateway.tokens import Verifier
from tests.support.services import ROOT, SECRET

DOCUMENT = (ROOT / "deploy/MONITORING.md").read_text()
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
NOT_OF_SERVICES = ("shared/cli", "shared/client", "shared/publisher")
TOLD_APART = {"exc_info"}
NUMBERED = {"partition"}
"""Labels of more values than a page can name."""


@dataclass(slots=True)
class Metric:
    """Its type, and the values of each label."""

    kind: str
    labels: dict[str, set[str]] = field(default_factory=dict)


def counted(registry: CollectorRegistry) -> dict[str, Metric]:
    """All that a page says, under the names that queries use."""
    found: dict[str, Metric] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        suffix = "_total" if family.type == "counter" else ""
        metric = found[family.name + suffix] = Metric(family.type)
        for sample in family.samples:
            for name, value in sample.labels.items():
                if name != "le":
                    metric.labels.setdefault(name, set()).add(value)
    return found


@pytest.fixture
async def pages() -> dict[str, dict[str, Metric]]:
    """Of services that have not even a broker."""
    settings = GatewaySettings(gateway_jwt_secret=SecretStr(SECRET))
    async with asyncio.TaskGroup() as tasks:
        made = gateway.Gateway(settings, Verifier(settings), tasks)
        of_gateway = counted(made.metrics.registry)
    return {"gateway": of_gateway, "dispatcher": counted(dispatcher.App(Settings.model_validate({})).registry)}


def rows(title: str) -> Iterator[list[str]]:
    """The cells of the table under a heading."""
    section = DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert lines, title
    for line in lines[2:]:
        yield [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


SECTIONS = {
    "Metrics of both services": ("gateway", "dispatcher"),
    "Metrics of a dispatcher": ("dispatcher",),
    "Metrics of a gateway": ("gateway",),
}


def test_every_metric_is_on_the_page_and_every_one_on_the_page_exists(pages: dict[str, dict[str, Metric]]) -> None:
    for service, counts in pages.items():
        written = [named(row[0]).pop() for title, of in SECTIONS.items() if service in of for row in rows(title)]

        assert sorted(written) == sorted(counts), service


def test_the_page_has_the_type_and_the_labels_of_each_metric_with_their_values(
    pages: dict[str, dict[str, Metric]],
) -> None:
    for title, services in SECTIONS.items():
        for name, kind, _, labels, meaning, _ in rows(title):
            for service in services:
                metric = pages[service][named(name).pop()]
                assert metric.kind == kind, name
                assert metric.labels.keys() <= named(labels), name
                for label, values in metric.labels.items():
                    assert label in NUMBERED or values <= named(meaning), name
            if len(services) == 1:
                assert named(labels) == pages[services[0]][named(name).pop()].labels.keys(), name


@dataclass(frozen=True, slots=True)
class Event:
    text: str
    level: str
    fields: frozenset[str]


def logged(folder: str) -> Iterator[Event]:
    """Each call of a logger in the source, at level info or above."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        if not file.relative_to(ROOT).as_posix().startswith(NOT_OF_SERVICES):
            yield from events(file)


def events(file: Path) -> Iterator[Event]:
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in LEVELS:
            continue
        if not re.match(r"_?log\b", ast.unparse(node.func.value)):
            continue
        text = ast.literal_eval(node.args[0])  # fails for an event that varies: what varies is a field
        fields = {keyword.arg for keyword in node.keywords if keyword.arg} - TOLD_APART
        yield Event(str(text), node.func.attr, frozenset(fields))


def written(*titles: str) -> list[Event]:
    found = []
    for title in titles:
        for text, level, fields, *_ in rows(title):
            found.append(Event(text, level, frozenset(named(fields))))
    return found


@pytest.mark.parametrize("service", ["gateway", "dispatcher"])
def test_every_event_in_the_log_of_a_service_is_on_the_page_word_for_word(service: str) -> None:
    known = written(f"Log of a {service}", "Log of both services")

    for event in logged(service):
        assert any(
            (event.text, event.level) == (other.text, other.level) and event.fields <= other.fields for other in known
        ), event


def test_every_event_of_what_both_share_is_on_the_page() -> None:
    both = written("Log of both services")

    assert [event for event in logged("shared") if event not in both] == []


def test_every_event_on_the_page_is_in_the_source_with_these_fields() -> None:
    of = {"Log of a gateway": ["gateway"], "Log of a dispatcher": ["dispatcher"]}
    everywhere = ["gateway", "dispatcher", "shared"]

    for title in ("Log of both services", "Log of a gateway", "Log of a dispatcher"):
        source = [event for folder in of.get(title, everywhere) for event in logged(folder)]
        for event in written(title):
            same = [other for other in source if (other.text, other.level) == (event.text, event.level)]
            assert same, event
            assert frozenset().union(*(other.fields for other in same)) == event.fields, event


def test_alerts_named_on_the_page_exist() -> None:
    rules = (ROOT / "deploy/prometheus/restante.rules.yml").read_text()
    alerts = set(re.findall(r"alert: (\w+)", rules))

    missing = {name for name in re.findall(r"Restante\w+(?!\w*\.\.\.)", DOCUMENT) if name not in alerts}
    assert {name for name in missing if not any(alert.startswith(name) for alert in alerts)} == set()
