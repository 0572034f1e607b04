"""`make run` with a broker that somebody else runs: what is said of its pages is true."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy.local.broker import Given
from deploy.local.run import _what_next
from deploy.local.surroundings import Surroundings


class Page(BaseHTTPRequestHandler):
    """Of another program."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}" if self.path.startswith("/json/") else b"<html>")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def other() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/json"])
def test_another_program_where_rabbitmqs_pages_usually_are_is_not_taken_for_them(
    path: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", other + path)
    given = Given("amqp://alice:secret@broker/")

    given.start()

    assert (given.management_url, given.version) == ("", "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://alice:secret@rabbit.example", "https://rabbit.example/"),
        ("http://alice:secret@[::1]:15672/", "http://[::1]:15672/"),
    ],
)
def test_its_pages_are_named_without_its_password_and_without_a_login_that_is_not_its(
    address: str, shown: str, tmp_path: Path
) -> None:
    given = Given("amqp://alice:secret@rabbit.example/")

    said = _what_next(Surroundings(tmp_path, given.url, address, None), given)

    assert f"RabbitMQ    {shown} " in said
    assert "guest" not in said
    assert "secret" not in said
