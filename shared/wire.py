"""The form of what the services send each other over the broker: leases, batches and outcomes.

Every body starts with a line that holds the format version, then JSON, then (batches only) a line end and
the raw payloads one after the other. Bodies of messages are spliced, never parsed here. Anything that does
not decode raises `Unreadable`, and nothing else does.

So that services of two releases that follow each other can always be mixed, in either order of roll-out: a
release reads several versions and writes one. The release that brings version N reads N-1 and N and still
writes N-1; the next one writes N; a later one no longer reads N-1. A field that has a default, and that a
reader may pass over, needs no new version: fields that a reader does not know are ignored. Anything else, a new
kind of lease, outcome or entry too, is a new version.
"""

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from shared.names import is_user_id

READS = frozenset({b"1"})
WRITES = b"1"

UNBOUND = "unbound"
"""The type, as an AMQP property, of an empty batch that came past the exchange: what went through it came back. A
release that does not know it finds nothing to do."""


class Unreadable(ValueError):
    """These bytes are not what this version of the service can read."""


class LeaseKind(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    HELLO = "hello"
    EVICT = "evict"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A session's claim on its user's messages, announced to `sessions.<partition>`.

    `rev` grows with every announcement of one session, `opened_at` (seconds since 1970) tells the oldest
    session of a user, `limit` is how many sessions the gateway allows that user (0: no limit), and
    `confirm_timeout` (seconds) how long the gateway waits for a confirmation.
    A `hello` tells whoever receives it that it owns the partition. One with a user and an inbox also asks for that
    user's sessions, which are told there (`Present`). An `evict` carries only a user, all of whose sessions an
    operator ends.
    """

    kind: LeaseKind
    session: str = ""
    user: str = ""
    inbox: str = ""
    rev: Annotated[int, msgspec.Meta(ge=0)] = 0
    opened_at: float = 0.0
    limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    confirm_timeout: Annotated[float, msgspec.Meta(gt=0)] = 30.0


class OutcomeKind(StrEnum):
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    GONE = "gone"


NULL = b"null"


class Outcome(msgspec.Struct, frozen=True):
    """What became of one message at one session.

    `value` is JSON: what the client passed to its callback. `detail` is the reason of a refusal.
    """

    user: str
    message: str
    session: str
    kind: OutcomeKind
    value: bytes = NULL
    detail: str = ""


class Forward(msgspec.Struct, frozen=True):
    """One message for some sessions of one gateway. `event` is the JSON object that the client gets.

    A binary message has its body in `attachment`; its event then says `"data":null`.
    """

    user: str
    message: str
    sessions: tuple[str, ...]
    event: bytes
    attachment: bytes | None = None


class Settled(msgspec.Struct, frozen=True):
    """The message needs no confirmation of these sessions any more: another one settled it."""

    user: str
    message: str
    sessions: tuple[str, ...]


class Dropped(msgspec.Struct, frozen=True):
    """The dispatcher gave these sessions up. A gateway that still has one announces it again."""

    sessions: tuple[str, ...]


class Replaced(msgspec.Struct, frozen=True):
    """These sessions are over their user's limit, the oldest ones: their clients are told to stay away."""

    sessions: tuple[str, ...]


class Evicted(msgspec.Struct, frozen=True):
    """An operator ended these sessions: their clients are told to stay away."""

    sessions: tuple[str, ...]


class Present(msgspec.Struct, frozen=True):
    """One of the `of` sessions that a user has; with `of` 0 there is none. Only who asked for it is told.

    `unconfirmed`: how many messages it was sent and has not confirmed. `opened_at`: seconds since 1970.
    """

    user: str
    sessions: tuple[str, ...]
    inbox: str = ""
    of: int = 0
    unconfirmed: int = 0
    opened_at: float = 0.0


Entry = Forward | Settled | Dropped | Replaced | Evicted | Present


class Batch(msgspec.Struct, frozen=True):
    """What a dispatcher tells one gateway, in order. An empty one only asks whether the inbox is there.

    `reply` is the dispatcher's inbox, `window` how many messages a session may have unconfirmed.
    """

    reply: str
    window: int
    entries: tuple[Entry, ...] = ()


class _EntryHead(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    sessions: tuple[str, ...]
    user: str = ""
    message: str = ""
    event: Annotated[int, msgspec.Meta(ge=0)] = 0
    attachment: Annotated[int, msgspec.Meta(ge=-1)] = -1


class _BatchHead(msgspec.Struct, frozen=True):
    reply: str
    window: Annotated[int, msgspec.Meta(ge=1)]
    entries: tuple[_EntryHead, ...]


class _OutcomeRow(msgspec.Struct, array_like=True, frozen=True):
    user: str
    message: str
    session: str
    kind: OutcomeKind
    value: msgspec.Raw
    detail: str


_T = TypeVar("_T")
_encoder = msgspec.json.Encoder()
_leases = msgspec.json.Decoder(Lease)
_batches = msgspec.json.Decoder(_BatchHead)
_outcomes = msgspec.json.Decoder(tuple[_OutcomeRow, ...])
_present = msgspec.json.Decoder(tuple[int, int, float])


def encode_lease(lease: Lease) -> bytes:
    return WRITES + b"\n" + _encoder.encode(lease)


def decode_lease(body: bytes) -> Lease:
    """Raises `Unreadable`."""
    lease = _decoded(_leases, _checked(body))
    # A queue is declared by this name: one that the broker refuses would come back for ever.
    if lease.kind is not LeaseKind.HELLO and not is_user_id(lease.user):
        raise Unreadable(f"a lease for {lease.user[:64]!r}, which is no user id")
    return lease


def encode_outcomes(outcomes: list[Outcome]) -> bytes:
    """Each `value` must be JSON; a `detail` may be any text that a client made up."""
    rows = [
        _OutcomeRow(o.user, o.message, o.session, o.kind, msgspec.Raw(o.value), _sayable(o.detail)) for o in outcomes
    ]
    return WRITES + b"\n" + _encoder.encode(rows)


def decode_outcomes(body: bytes) -> list[Outcome]:
    """Raises `Unreadable`."""
    text = _checked(body)
    rows = _decoded(_outcomes, text)
    _utf8(text)
    return [Outcome(r.user, r.message, r.session, r.kind, bytes(r.value), r.detail) for r in rows]


def encode_batch(batch: Batch) -> bytes:
    heads: list[_EntryHead] = []
    payloads: list[bytes] = []
    for entry in batch.entries:
        match entry:
            case Forward(user, message, sessions, event, attachment):
                size = -1 if attachment is None else len(attachment)
                heads.append(_EntryHead("f", sessions, user, message, len(event), size))
                payloads.append(event)
                if attachment is not None:
                    payloads.append(attachment)
            case Settled(user, message, sessions):
                heads.append(_EntryHead("s", sessions, user, message))
            case Dropped(sessions):
                heads.append(_EntryHead("d", sessions))
            case Replaced(sessions):
                heads.append(_EntryHead("r", sessions))
            case Evicted(sessions):
                heads.append(_EntryHead("e", sessions))
            case Present(user, sessions, inbox, of, unconfirmed, opened_at):
                payloads.append(_encoder.encode((of, unconfirmed, opened_at)))
                heads.append(_EntryHead("p", sessions, user, inbox, len(payloads[-1])))
    head = _encoder.encode(_BatchHead(batch.reply, batch.window, tuple(heads)))
    return b"".join((WRITES, b"\n", head, b"\n", *payloads))


def decode_batch(body: bytes) -> Batch:
    """Raises `Unreadable`."""
    head_text, _, payloads = _checked(body).partition(b"\n")
    head = _decoded(_batches, head_text)
    entries: list[Entry] = []
    at = 0
    for row in head.entries:
        match row.kind:
            case "f":
                event, at = payloads[at : at + row.event], at + row.event
                attachment = None
                if row.attachment >= 0:
                    attachment, at = payloads[at : at + row.attachment], at + row.attachment
                entries.append(Forward(row.user, row.message, row.sessions, event, attachment))
            case "s":
                entries.append(Settled(row.user, row.message, row.sessions))
            case "d":
                entries.append(Dropped(row.sessions))
            case "r":
                entries.append(Replaced(row.sessions))
            case "e":
                entries.append(Evicted(row.sessions))
            case "p":
                told, at = payloads[at : at + row.event], at + row.event
                entries.append(Present(row.user, row.sessions, row.message, *_decoded(_present, told)))
            case other:
                raise Unreadable(f"unknown entry kind {other!r}")
    if at != len(payloads):
        raise Unreadable(f"payloads of {len(payloads)} bytes where the head names {at}")
    return Batch(head.reply, head.window, tuple(entries))


def _checked(body: bytes) -> bytes:
    version, end, text = body.partition(b"\n")
    if version not in READS or not end:
        raise Unreadable(f"not format version {b' or '.join(sorted(READS)).decode()}: starts with {body[:12]!r}")
    return text


def _utf8(text: bytes) -> None:
    """A raw value goes into a receipt as it is, and msgspec passes over the inside of its strings unread."""
    try:
        text.decode()
    except UnicodeDecodeError as err:
        raise Unreadable(str(err)) from err


def _sayable(text: str) -> str:
    """JSON may escape half of a surrogate pair; UTF-8 cannot hold one, and one client must not stop a batch."""
    return text.encode(errors="replace").decode()


def _decoded(decoder: msgspec.json.Decoder[_T], text: bytes) -> _T:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as err:
        raise Unreadable(str(err)) from err
