"""A plain connection to the broker: how it is made, how one learns that it is gone, how long to wait before the next.

No connection here repairs itself. A link that comes back by itself would consume queues that meanwhile belong
to somebody else, so whoever owns a connection drops everything that it knew and starts over.
"""

import asyncio
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractConnection
from aiormq import Channel
from aiormq.abc import AbstractChannel
from aiormq.abc import AbstractConnection as Wire
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from shared.decoding import read_whatever_comes
from shared.moved import send_whatever_came
from shared.settings import BadSecretFile, BrokerSettings, broker_urls_now
from shared.sieve import Sieve, sift
from shared.topology import name_every_user

HEARTBEAT_SECONDS = 6
"""Where the URL names none. The libraries' own default, 60, lets a frozen peer live for three minutes."""

CONNECT_TIMEOUT_SECONDS = 5.0
CLOSE_TIMEOUT_SECONDS = 3.0

# StopAsyncIteration: a proxy in front of a broker that is away takes the connection and closes it at once.
_FAILURES = (
    aiormq.exceptions.AMQPError,
    OSError,
    EOFError,
    TimeoutError,
    asyncio.TimeoutError,
    RuntimeError,
    StopAsyncIteration,
)


class BrokerAway(Exception):
    """No broker could be reached, or the one we had is gone. Never names a password."""


class Refused(Exception):
    """The broker refused a call and closed the channel that it came on; the connection lives."""


class Missing(Refused):
    """What the call names is not there."""


class Mismatch(Refused):
    """What was declared exists already, with other arguments; or, if it does not exist, a limit is reached."""


class Backoff:
    """How long to wait before the next try: doubling, jittered, bounded. `reset` after a success."""

    def __init__(self, first_seconds: float = 0.2, most_seconds: float = 5.0) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._tries = 0

    def next_seconds(self) -> float:
        """Between a half and the whole of this step, so that many who lost one broker do not return as one."""
        step = min(self._most, self._first * 2 ** min(self._tries, 16))
        self._tries += 1
        return random.uniform(step / 2, step)  # noqa: S311 -- spreads load, guards nothing

    def reset(self) -> None:
        self._tries = 0

    async def wait(self) -> None:
        await asyncio.sleep(self.next_seconds())


async def connect(
    settings: BrokerSettings, name: str, *, heartbeat_seconds: int | None = None, sifted: bool = False
) -> AbstractConnection:
    """Tries every address once, from a random one on. `name` is what RabbitMQ's pages show.

    `heartbeat_seconds` instead of what the URL says. `sifted`: see `sieve_of`.

    Raises `BrokerAway` with the reason at each address.
    """
    read_whatever_comes()
    send_whatever_came()
    name_every_user()
    reasons: list[str] = []
    try:
        secrets = broker_urls_now(settings)
    except BadSecretFile as err:
        secrets = settings.broker_url
        reasons.append(str(err))
    urls = [url.get_secret_value() for url in secrets]
    start = random.randrange(len(urls))  # noqa: S311 -- spreads load, guards nothing
    for url in urls[start:] + urls[:start]:
        try:
            return await _connect_one(_with_heartbeat(URL(url), heartbeat_seconds), settings, name, sifted=sifted)
        except BrokerAway as err:
            reasons.append(str(err))
    raise BrokerAway("; ".join(sorted(reasons)))  # the same text for the same reasons, in whichever order


def _with_heartbeat(url: URL, seconds: int | None) -> URL:
    if seconds is None and "heartbeat" in url.query:
        return url
    return url.update_query(heartbeat=HEARTBEAT_SECONDS if seconds is None else seconds)


class _Sockets(TransportFactory):
    """Remembers the socket that it opens, for `abort`, and sifts what comes from it if that is wanted."""

    def __init__(self, *, secure: bool, sifted: bool) -> None:
        self._opens = TLSTransportFactory() if secure else TCPTransportFactory()
        self._sifted = sifted
        self.writer: asyncio.StreamWriter | None = None
        self.sieve: Sieve | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self.writer = await self._opens.create(url, **kwargs)
        if self._sifted:
            self.sieve = sift(reader)
        return reader, self.writer


async def _connect_one(url: URL, settings: BrokerSettings, name: str, *, sifted: bool) -> AbstractConnection:
    where = f"{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"
    try:
        context = None
        if url.scheme == "amqps" and settings.broker_ca_file is not None:
            context = ssl.create_default_context(cafile=settings.broker_ca_file)
        connection = aio_pika.Connection(url, ssl_context=context, client_properties={"connection_name": name})
        connection.kwargs["transport_factory"] = _Sockets(secure=url.scheme == "amqps", sifted=sifted)
    except (OSError, ValueError) as err:
        raise BrokerAway(f"{where}: {err}") from err
    try:
        with heeding():
            await connection.connect(timeout=CONNECT_TIMEOUT_SECONDS)
    except _FAILURES as err:
        with heeding():
            await connection.close()  # or its finaliser does, in a task of its own
        raise BrokerAway(f"{where}: {_reason(url, err)}") from err
    except BaseException:  # also when cancelled: nobody else knows of it yet
        await connection.close()
        raise
    return connection


@contextmanager
def heeding() -> Iterator[None]:
    """Around what may forget that the task was told to end, whether it comes to something or fails: raises that then.

    `asyncio.wait_for` of Python 3.11 does, if what it waited for has come, or failed, just then. aiormq is full of it.
    """
    before = cancellations()
    try:
        yield
    finally:
        if cancellations() > before:
            raise asyncio.CancelledError


def cancellations() -> int:
    """How often the current task was told to end. Only more of them than before mean that it was told meanwhile:

    a `TaskGroup` of Python 3.11 that fails while it waits for its tasks counts one for its own task, for good.
    """
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _reason(url: URL, err: BaseException) -> str:
    if isinstance(err, aiormq.exceptions.InvalidFrameError):
        # aiormq complains of the frame by which the broker says so.
        return f"refused the virtual host {url.path!r}, or is no RabbitMQ"
    if isinstance(err, StopAsyncIteration):
        return "the connection was closed during the handshake"
    return str(err) or type(err).__name__


async def close(connection: AbstractConnection) -> None:
    """Bounded, never raises: whoever closes a connection has given up what it carried."""
    closing = asyncio.ensure_future(connection.close())
    # Not cancelled when the time is up: aiormq then leaves calls unanswered that somebody waits for.
    await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_SECONDS)
    if closing.done() and not closing.cancelled():
        closing.exception()


async def abort(connection: AbstractConnection) -> None:
    """Ends a connection without a goodbye, for which the broker need not read. Never raises."""
    if connection.transport is None:
        return
    # The reader before the socket, or aiormq logs that the broker was gone unexpectedly.
    connection.transport.connection._reader_task.cancel()  # type: ignore[attr-defined]  # noqa: SLF001 -- no other way
    sockets = cast("_Sockets", connection.kwargs["transport_factory"])
    if sockets.writer is not None:
        sockets.writer.transport.abort()
    await close(connection)


def sieve_of(connection: AbstractConnection) -> Sieve | None:
    """Where deliveries can be claimed before the library reads them, if the connection was made so."""
    return cast("_Sockets", connection.kwargs["transport_factory"]).sieve


def socket_of(channel: AbstractChannel) -> tuple[Sieve, asyncio.StreamWriter] | None:
    """The same for the connection of a channel, with what is written to."""
    sockets = getattr(getattr(channel, "connection", None), "_transport_factory", None)
    if not isinstance(sockets, _Sockets) or sockets.sieve is None or sockets.writer is None:
        return None
    return sockets.sieve, sockets.writer


def is_open(channel: Channel) -> bool:
    """Also false between the broker's Close and the end of the channel object.

    What is written after the CloseOk that goes out in between, for a channel number that is closed or another's, would
    end the connection. aiormq 7.2 takes the channel out of this table as soon as it has read either frame.
    """
    return not channel.is_closed and channel.connection.channels.get(channel.number) is channel


def wire(connection: AbstractConnection) -> Wire:
    """The aiormq connection below: its channels cost less and leak nothing. Raises `BrokerAway` once closed."""
    if connection.transport is None:
        raise BrokerAway("the connection is closed")
    return connection.transport.connection


def lost(connection: AbstractConnection) -> asyncio.Future[str]:
    """Resolves with the reason when the connection is gone, also when we closed it ourselves.

    aio_pika's own `is_closed` and `closed()` say nothing when it is the broker that closes a plain connection.
    """
    gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def note(closing: asyncio.Future[object]) -> None:
        if not gone.done():
            reason = None if closing.cancelled() else closing.exception()
            gone.set_result(str(reason) or type(reason).__name__ if reason else "closed")

    wire(connection).closing.add_done_callback(note)
    return gone


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Around calls on a channel: raises a `Refused` or `BrokerAway` where aiormq raises its own."""
    before = cancellations()
    try:
        with heeding():
            yield
    except aiormq.exceptions.ChannelPreconditionFailed as err:
        raise Mismatch(f"{what}: {err}") from err
    except aiormq.exceptions.ChannelNotFoundEntity as err:
        raise Missing(f"{what}: {err}") from err
    except aiormq.exceptions.AMQPChannelError as err:
        raise Refused(f"{what}: {err}") from err
    except asyncio.CancelledError as err:
        if cancellations() > before:
            raise
        raise BrokerAway(f"{what}: the channel was closed") from err  # which is how aiormq puts it
    except _FAILURES as err:
        raise BrokerAway(f"{what}: {str(err) or type(err).__name__}") from err


def heartbeat_seconds(connection: AbstractConnection) -> float:
    """The agreed heartbeat; the broker sends something at least every half of it. 0: none."""
    return float(getattr(wire(connection), "heartbeat_timeout", HEARTBEAT_SECONDS))


def silent_seconds(connection: AbstractConnection) -> float:
    """How long the broker has not sent anything at all.

    aiormq itself waits for more than three heartbeats before it calls a connection dead. It keeps the time in a
    private field; a test holds that name down.
    """
    last = cast("float", getattr(wire(connection), "_Connection__last_frame_time"))  # noqa: B009 -- name mangling
    return asyncio.get_running_loop().time() - last
