"""What the demo page may ask of `make run`, and who else may not."""

import http.client
import json
from collections.abc import Iterator

import pytest

from deploy.local import ports
from deploy.local.controls import Controls

SECRET = "a-secret-of-this-run"
PAGE = "http://127.0.0.1:8000"
OURS = {"Origin": PAGE, "Authorization": f"Bearer {SECRET}"}

Asked = list[str]


@pytest.fixture
def killed() -> Asked:
    return []


@pytest.fixture
def controls(killed: Asked) -> Iterator[Controls]:
    def kill(name: str) -> bool:
        killed.append(name)
        return name == "gateway"

    (port,) = ports.free(1)
    started = Controls(port, SECRET, {PAGE}, lambda users: {"queues": users}, kill)
    started.start()
    yield started
    started.close()


def ask(controls: Controls, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", controls.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_the_page_of_this_run_sees_queues_and_kills_a_service(controls: Controls, killed: Asked) -> None:
    status, headers, body = ask(controls, "GET", "/state?user=alice&user=bob", OURS)
    killing, _, _ = ask(controls, "POST", "/kill/gateway", OURS)

    assert (status, json.loads(body)) == (200, {"queues": ["alice", "bob"]})
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert (killing, killed) == (202, ["gateway"])


def test_a_browser_that_asks_first_may_send_the_secret_from_our_page_only(controls: Controls) -> None:
    asked_first = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    ours, headers, _ = ask(controls, "OPTIONS", "/kill/gateway", {**asked_first, "Origin": PAGE})
    theirs, none, _ = ask(controls, "OPTIONS", "/kill/gateway", {**asked_first, "Origin": "http://evil.example"})

    assert (ours, headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert headers["Access-Control-Allow-Headers"] == "authorization"
    assert theirs == 403
    assert not [name for name in none if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer another"}, 401),
        ({"Authorization": "Bearer \u00e9"}, 401),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/state?user=alice"), ("POST", "/kill/gateway")])
def test_nobody_else_sees_or_kills_anything(
    controls: Controls, killed: Asked, method: str, path: str, changed: dict[str, str | None], status: int
) -> None:
    headers = {name: value for name, value in {**OURS, **changed}.items() if value is not None}

    refused, _, body = ask(controls, method, path, headers)

    assert (refused, body) == (status, b"")
    assert killed == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/kill/rabbitmq"), ("POST", "/state"), ("GET", "/kill/gateway"), ("GET", "/")]
)
def test_what_it_does_not_have_is_not_found(controls: Controls, method: str, path: str) -> None:
    status, _, _ = ask(controls, method, path, OURS)

    assert status == 404
