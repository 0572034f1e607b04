import asyncio
import json
import logging
import socket as sockets
import time
from typing import Any

import aiohttp
import pytest
import socketio

from shared.wire import Dropped, Evicted, LeaseKind, OutcomeKind, Replaced, Settled
from tests.support.gateway import closed, heard, in_process, log_in, message_heard, raw
from tests.support.history import History
from tests.support.python_client import PythonClient
from tests.support.tokens import token
from tests.support.until import until


def client(user: str = "alice") -> PythonClient:
    return PythonClient(user, user, History())


async def test_a_client_that_logs_in_is_announced_and_closed_when_it_leaves() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()

        assert [(lease.kind, lease.user, lease.session) for lease in gateway.office.leases] == [
            (LeaseKind.OPEN, "alice", alice.sessions[0])
        ]

        await alice.disconnect()
        await until(lambda: len(gateway.office.leases) == 2, "the closed lease")

        assert gateway.office.leases[1].kind is LeaseKind.CLOSED
        assert gateway.office.leases[1].rev > gateway.office.leases[0].rev
        assert len(gateway.sessions) == 0
        await alice.end()


async def test_messages_arrive_in_order_and_each_callback_is_an_outcome() -> None:
    # So long that a slow machine does not have the client cut: its messages would wait for a dispatcher.
    patient = {"gateway_ping_interval_seconds": 20, "gateway_ping_timeout_seconds": 20}
    async with in_process(gateway_confirm_timeout_seconds=60, **patient) as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()
        ids = [f"m{number}" for number in range(100)]

        for message in ids:
            gateway.forward("alice", message)
        await until(lambda: len(gateway.office.outcomes) == 100, "100 outcomes")

        assert alice.ids == ids
        assert {outcome.kind for outcome in gateway.office.outcomes} == {OutcomeKind.CONFIRMED}
        assert sorted(outcome.message for outcome in gateway.office.outcomes) == sorted(ids)
        await alice.end()


async def test_a_binary_message_arrives_as_bytes() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()
        event = b'{"id":"m1","data":null,"type":"x","from":null,"timestamp":7,"redelivered":true}'

        gateway.forward("alice", "m1", event, b"\x00\xff" * 1000)
        await alice.received(["m1"])

        assert alice.messages[0].data == b"\x00\xff" * 1000
        assert alice.messages[0].redelivered
        await until(lambda: gateway.office.outcomes, "the outcome")
        await alice.end()


@pytest.mark.parametrize(
    ("answer", "kind", "value", "detail"),
    [
        ("[]", OutcomeKind.CONFIRMED, b"null", ""),
        ('[{"n":1.50}]', OutcomeKind.CONFIRMED, b'{"n":1.50}', ""),
        ('[{"error":"torn"}]', OutcomeKind.REFUSED, b"null", "torn"),
        (r'["\ud800"]', OutcomeKind.CONFIRMED, b'"?"', ""),
    ],
)
async def test_what_the_callback_is_called_with_goes_into_the_outcome(
    answer: str, kind: OutcomeKind, value: bytes, detail: str
) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        number, message = await message_heard(socket)

        await socket.send(f"43{number}{answer}")
        await until(lambda: gateway.office.outcomes, "the outcome")

        outcome = gateway.office.outcomes[0]
        assert (outcome.message, message) == ("m1", "m1")
        assert (outcome.kind, outcome.value, outcome.detail) == (kind, value, detail)


async def test_what_was_seen_before_is_confirmed_without_being_sent() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"), seen=["m1", "m2"])
        await alice.online()

        for message in ("m1", "m2", "m3"):
            gateway.forward("alice", message)
        await alice.received(["m3"])

        assert alice.ids == ["m3"]
        await until(lambda: len(gateway.office.outcomes) == 3, "three outcomes")
        await alice.end()


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({}, "bad_request"),
        ({"token": 7}, "bad_request"),
        ({"token": "nonsense"}, "unauthorized"),
        ({"token": token("alice", lives_seconds=-1)}, "token_expired"),
        ({"token": token("alice"), "seen": ["m"] * 257}, "bad_request"),
    ],
)
async def test_a_refusal_names_its_code_and_opens_no_session(auth: dict[str, Any], code: str) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await socket.send("40" + json.dumps(auth))

        answer = await heard(socket)

        assert answer.startswith("44")
        body = json.loads(answer[2:])
        assert body["message"] == code
        assert body["data"]["code"] == code
        assert not gateway.office.leases
        assert gateway.count("connections_rejected_total", reason=code) == 1


async def test_the_stock_client_is_told_the_refusal_and_its_details() -> None:
    async with in_process() as gateway:
        alice = client()

        await alice.connect(gateway.url, "nonsense")
        await until(lambda: alice.refusals, "a refusal")

        assert alice.refusals[0][0] == "unauthorized"
        await alice.end()


async def test_a_gateway_that_cannot_serve_closes_the_transport_and_refuses_nobody() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        gateway.office.serving = False

        await socket.send(f'40{{"token":"{token("alice")}"}}')

        assert await closed(socket) in (1000, 1005)
        assert not gateway.office.leases


async def test_a_client_that_comes_while_the_gateway_cannot_serve_is_let_in_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with in_process() as gateway, aiohttp.ClientSession() as http:
        gateway.office.serving = False
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(gateway.ws_url)
        gateway.office.serving = True

        async with http.ws_connect(gateway.ws_url):
            pass

        assert refusal.value.status == 503
        said = [record for record in caplog.records if record.name.startswith("uvicorn")]
        assert not [record.message for record in said if record.levelno >= logging.WARNING]


async def test_a_client_that_was_cut_comes_back_by_itself() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()

        gateway.sockets.cut(alice.sessions[0], "confirm timeout")
        await alice.online(sessions=2)

        assert alice.disconnects == ["transport error"]  # and no word from the server that it should stay away
        assert gateway.count("sessions_cut_total", reason="confirm timeout") == 1
        await until(lambda: len(gateway.sessions) == 1, "one session")
        await alice.end()


async def test_what_was_queued_goes_out_before_the_cut() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        gateway.forward("alice", "m1")
        gateway.sockets.cut(gateway.sessions.sessions_of("alice")[0], "draining")

        assert (await message_heard(socket))[1] == "m1"
        assert await closed(socket) in (1000, 1005)


async def test_a_replaced_client_is_told_so_and_stays_away() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()

        gateway.tell(Replaced((alice.sessions[0],)))
        await until(lambda: not alice.connected and alice.replaced, "replaced")
        await until(lambda: len(gateway.sessions) == 0, "no session")

        assert alice.disconnects == ["server disconnect"]
        assert len(alice.sessions) == 1
        await alice.end()


async def test_an_evicted_client_stays_away_until_its_application_connects_again() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()

        gateway.tell(Evicted((alice.sessions[0],)))
        await until(lambda: not alice.connected and len(gateway.sessions) == 0, "evicted")

        assert (alice.disconnects, alice.replaced) == (["server disconnect"], 0)
        assert gateway.count("sessions_replaced_total") == 0
        await alice.connect(gateway.url, token("alice"))
        await until(lambda: len(gateway.sessions) == 1, "back")
        await alice.end()


async def test_a_session_that_a_dispatcher_dropped_is_announced_again() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        gateway.tell(Dropped((gateway.sessions.sessions_of("alice")[0],)))

        assert [lease.rev for lease in gateway.office.leases] == [1, 2]


@pytest.mark.parametrize(
    "frame",
    [
        "x",
        "",
        "1x",
        "3x",
        "2probe",
        "5",
        "6",
        "4",
        "45",
        '451-["message",{"_placeholder":true,"num":0}]',
        "46",
        "bAAAA",
        "4" + "[" * 100_000,
    ],
)
async def test_an_invalid_frame_closes_the_connection_at_once_and_leaves_no_ghost(frame: str) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        began = time.monotonic()

        await socket.send(frame)

        assert await closed(socket) == 1008
        await until(lambda: len(gateway.sessions) == 0, "no session")
        assert time.monotonic() - began < 0.9  # well before any ping could tell
        assert gateway.count("bad_frames_total") == 1


async def test_a_binary_frame_closes_the_connection() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        await socket.send(b"\x04")

        assert await closed(socket) == 1008


async def test_an_answer_with_binary_parts_counts_and_its_connection_stays() -> None:
    part = '{"_placeholder":true,"num":%d}'
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        for message in ("m1", "m2", "m3"):
            gateway.forward("alice", message)
        m1, m2, m3 = [(await message_heard(socket))[0] for _ in range(3)]

        for said in (f"462-{m1}[[{part % 0},{part % 1}]]", b"\x00", b"\x01"):
            await socket.send(said)
        for said in (f'461-{m2}[{{"error":"torn","page":{part % 0}}}]', b"\x02", f'43{m3}["whole"]'):
            await socket.send(said)

        await until(lambda: len(gateway.office.outcomes) == 3, "three outcomes")
        assert [(outcome.kind, outcome.value, outcome.detail) for outcome in gateway.office.outcomes] == [
            (OutcomeKind.CONFIRMED, b"null", "value left out: it has binary parts"),
            (OutcomeKind.REFUSED, b"null", "torn"),
            (OutcomeKind.CONFIRMED, b'"whole"', ""),
        ]
        await socket.send(b"\x03")  # no part of anything
        assert await closed(socket) == 1008


@pytest.mark.parametrize(
    "packet", ["42", "42{}", "42[]", "42[", "43[]", "431{}", "43", "44{}", "42" + "9" * 200 + "[]"]
)
async def test_an_invalid_packet_closes_the_connection(packet: str) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        await heard(socket)

        await socket.send(packet)

        await closed(socket)
        await until(lambda: len(gateway.sessions) == 0, "no session")
        assert not gateway.office.outcomes


async def test_made_up_events_reach_nothing() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        for event in ('["disconnect","x"]', '["connect",{},{"token":"x"}]', '["message",1]', '["unknown"]', "[1]"):
            await socket.send("42" + event)
        await socket.send('420["send",{"to":"bob","data":1}]')

        assert (
            await heard(socket)
            == '430[{"ok":false,"error":"forbidden","detail":"the token does not allow sending to this user"}]'
        )
        assert gateway.sessions.sessions_of("alice")
        assert len(gateway.office.leases) == 1


async def test_answers_to_nothing_change_nothing() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)

        for made_up in (0, 1, number + 1, 10**15 - 1, number, number):
            await socket.send(f"43{made_up}[]")
        await until(lambda: gateway.office.outcomes, "the one outcome")
        gateway.forward("alice", "m2")

        assert (await message_heard(socket))[1] == "m2"
        assert [outcome.message for outcome in gateway.office.outcomes] == ["m1"]


async def test_a_message_settled_elsewhere_can_still_be_answered() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)

        gateway.tell(Settled("alice", "m1", tuple(gateway.sessions.sessions_of("alice"))))
        await socket.send(f"43{number}[]")
        gateway.forward("alice", "m2")
        await message_heard(socket)
        gateway.forward("alice", "m1")

        await until(lambda: gateway.office.outcomes, "m1 confirmed from the ring")
        assert [outcome.message for outcome in gateway.office.outcomes] == ["m1"]


async def test_a_connection_that_never_logs_in_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.strangers.LOGIN_SECONDS", 2.0)  # long enough for the other one
    async with in_process(gateway_ping_interval_seconds=20) as gateway, raw(gateway) as silent, raw(gateway) as busy:
        await log_in(busy, token("alice"))

        assert await closed(silent) in (1000, 1005)
        assert gateway.sessions.sessions_of("alice")
        assert gateway.count("sessions_cut_total", reason="no login") == 1


async def test_a_connection_that_was_refused_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.strangers.LOGIN_SECONDS", 0.3)
    async with in_process() as gateway, raw(gateway) as socket:
        assert (await log_in(socket, "nonsense")).startswith("44")

        assert await closed(socket) in (1000, 1005)
        await until(lambda: len(gateway.sockets.engine) == 0, "no connection")


async def test_another_namespace_is_refused_and_the_one_that_is_set_works() -> None:
    async with in_process(gateway_namespace="/post") as gateway, raw(gateway) as socket:
        await socket.send(f'40{{"token":"{token("alice")}"}}')
        assert (await heard(socket)).startswith('44{"message":"bad_request"')

        await socket.send(f'40/post,{{"token":"{token("alice")}"}}')
        assert (await heard(socket)).startswith('40/post,{"sid":')
        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)
        await socket.send(f"43/post,{number}[]")

        await until(lambda: gateway.office.outcomes, "the outcome")


async def test_one_connection_has_one_session() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        assert (await log_in(socket, token("bob"))).startswith("44")

        assert gateway.sessions.sessions_of("bob") == []
        assert len(gateway.sessions) == 1


async def test_a_client_that_does_not_read_is_ended() -> None:
    async with in_process() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        raw_socket = writer.get_extra_info("socket")
        raw_socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_masked(f'40{{"token":"{token("alice")}"}}'.encode()))
        await until(lambda: len(gateway.sessions) == 1, "the session")
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        event = b'{"id":"m%d","data":"' + b"x" * 200_000 + b'"}'
        for number in range(32):
            gateway.forward("alice", f"m{number}", event % number)

        await until(lambda: len(gateway.sockets.engine) == 0, "no connection")
        await until(lambda: gateway.count("sessions_cut_total", reason="does not read"), "the abort")
        assert len(gateway.sessions) == 0
        writer.close()


def _masked(payload: bytes) -> bytes:
    """A client's text frame, masked with zeros."""
    return b"\x81" + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload


async def test_the_connection_ends_with_its_token_unless_that_is_renewed() -> None:
    async with in_process() as gateway, raw(gateway) as renewing, raw(gateway) as ending:
        await log_in(renewing, token("alice", lives_seconds=1.5))
        await log_in(ending, token("bob", lives_seconds=1.5))
        fresh = token("alice", lives_seconds=3600)

        await renewing.send(f'427["renew",{{"token":"{fresh}"}}]')
        answer = await heard(renewing)

        assert answer.startswith('437[{"ok":true,"expires":')
        assert await closed(ending) in (1000, 1005)
        await until(lambda: not gateway.sessions.sessions_of("bob"), "bob's session over")
        assert gateway.sessions.sessions_of("alice")
        assert gateway.count("sessions_cut_total", reason="token expired") == 1


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ({"token": token("bob")}, "unauthorized"),
        ({"token": token("alice", lives_seconds=-1)}, "token_expired"),
        ({"token": "nonsense"}, "unauthorized"),
        ({}, "bad_request"),
    ],
)
async def test_a_token_that_cannot_renew_changes_nothing(argument: dict[str, str], code: str) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        await socket.send("421" + json.dumps(["renew", argument]))

        answer = json.loads((await heard(socket))[3:])[0]
        assert (answer["ok"], answer["error"]) == (False, code)
        assert gateway.sessions.sessions_of("alice")


@pytest.mark.parametrize("event", ["send", "renew"])
async def test_a_client_that_asks_and_says_nothing_is_told_that_this_is_no_request(event: str) -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))

        await socket.send(f'421["{event}"]')

        answer = json.loads((await heard(socket))[3:])[0]
        assert (answer["ok"], answer["error"]) == (False, "bad_request")


async def test_a_message_is_sent_and_confirmed_only_after_the_broker_holds_it() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send=["bob"]))
        gateway.office.hold.clear()

        await socket.send('421["send",{"to":"bob","data":{"n":1.50},"id":"1"}]')
        await until(lambda: gateway.office.sent, "published")
        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)  # nothing else has been said
        await socket.send(f"43{number}[]")
        await until(lambda: gateway.office.outcomes, "answers are not held up by a send")
        gateway.office.hold.set()

        assert json.loads((await heard(socket))[3:]) == [{"ok": True, "id": "alice/1"}]
        assert gateway.office.sent[0].data == b'{"n":1.50}'


async def test_a_message_that_the_broker_does_not_hold_is_unavailable() -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice", send="*"))
        await alice.online()
        gateway.office.holds = False

        answer = await alice.send("bob", 1)

        assert (answer["ok"], answer["error"]) == (False, "unavailable")
        await alice.end()


async def test_messages_are_published_in_the_order_in_which_they_were_sent() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))

        for number in range(30):
            await socket.send(f'42{number}["send",{{"to":"bob","data":{number},"id":"{number}"}}]')
        for _ in range(30):
            await heard(socket)

        assert [outgoing.id for outgoing in gateway.office.sent] == [f"alice/{number}" for number in range(30)]


async def test_who_sends_too_fast_is_told_so() -> None:
    async with in_process(gateway_send_per_second=2) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))

        for number in range(6):
            await socket.send(f'42{number}["send",{{"to":"bob","data":1}}]')
        answers = [json.loads((await heard(socket))[3:])[0] for _ in range(6)]

        assert sum(answer["ok"] for answer in answers) == 4
        assert {answer.get("error") for answer in answers} == {None, "rate_limited"}


async def test_a_message_over_the_limit_is_too_large_and_the_connection_stays() -> None:
    async with in_process(max_message_bytes=1000) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))

        await socket.send('421["send",{"to":"bob","data":"%s"}]' % ("x" * 500_000))

        assert json.loads((await heard(socket))[3:])[0]["error"] == "too_large"
        assert gateway.sessions.sessions_of("alice")


async def test_another_origin_is_refused_unless_it_is_set() -> None:
    async with in_process() as gateway, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(gateway.ws_url, headers={"Origin": "https://elsewhere.example"})
        async with http.ws_connect(gateway.ws_url, headers={"Origin": gateway.url}):
            pass
    async with (
        in_process(gateway_cors_origins=("https://elsewhere.example",)) as gateway,
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.ws_url, headers={"Origin": "https://elsewhere.example"}),
    ):
        pass


async def test_polling_works_where_it_is_set_and_only_there() -> None:
    async with in_process() as gateway, aiohttp.ClientSession() as http:
        assert (await http.get(f"{gateway.url}/socket.io/?EIO=4&transport=polling")).status == 400
    async with in_process(gateway_transports=("websocket", "polling")) as gateway, aiohttp.ClientSession() as http:
        sio = socketio.AsyncClient(reconnection=False, http_session=http)
        got: list[Any] = []
        gone = asyncio.Event()
        sio.on("message", got.append)
        sio.on("disconnect", gone.set)
        await sio.connect(gateway.url, auth={"token": token("alice")}, transports=["polling"])

        gateway.forward("alice", "m1")
        await until(lambda: got, "the message")
        gateway.sockets.cut(gateway.sessions.sessions_of("alice")[0], "draining")
        await asyncio.wait_for(gone.wait(), 5)

        await until(lambda: len(gateway.sessions) == 0, "no session")
        await sio.shutdown()


async def test_an_upgrade_from_polling_to_websocket_works() -> None:
    async with in_process(gateway_transports=("websocket", "polling")) as gateway, aiohttp.ClientSession() as http:
        sio = socketio.AsyncClient(reconnection=False, http_session=http)
        got: list[Any] = []
        sio.on("message", got.append)
        await sio.connect(gateway.url, auth={"token": token("alice")})
        await until(lambda: sio.transport() == "websocket", "the upgrade")

        gateway.forward("alice", "m1")
        await until(lambda: got, "the message")

        await sio.disconnect()


async def test_hostile_clients_leave_no_traceback_and_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with in_process() as gateway:
        alice = client()
        await alice.connect(gateway.url, token("alice"))
        await alice.online()

        for frame in ("x", "4" + "[" * 10_000, "451-[]", "42[[[", '42["connect"]'):
            async with raw(gateway) as socket:
                await log_in(socket, token("mallory"))
                await socket.send(frame)
                if frame != '42["connect"]':
                    await closed(socket)
        gateway.forward("alice", "m1")
        await alice.received(["m1"])

        assert not [record for record in caplog.records if record.exc_info]
        assert len(alice.sessions) == 1
        await alice.end()
