"""Takes deliveries and confirms of some channels out of what a broker sends, before the library reads the frames.

aiormq spends about 100 us on a delivery: three frames read with three awaits each, a queue, two tasks. Here all
that one read brought is cut up in one pass, and whoever claimed the channel is called at once. Everything else goes
on to the library as it came, byte for byte and in order, so connecting, calling, cancelling and closing stay its own.

A delivery therefore always comes before an answer that the broker sent after it. The frames are those of
AMQP 0-9-1, section 4.2.3: type, channel, size, payload, end.
"""

import asyncio
import time
from collections.abc import Callable
from struct import Struct

from shared.lanes import FastLane

LANE = FastLane("deliveries and confirms", {"aiormq": "7.2.", "pamqp": "4.0."})
"""aiormq 7.2: its `FrameReceiver` reads from the `StreamReader` alone, and asyncio's `StreamReaderProtocol` (uvloop's
too) puts what came into that by calling its `feed_data` and `feed_eof`, looked up each time. `shared/broker.py` knows
where a channel keeps its connection, that its transport factory, and how long a channel's number is its own."""

Take = Callable[[str, int, bool, bytes, bytes], None]
"""Called with consumer tag, delivery tag, redelivered, the payload of the content header, and the body."""

Heed = Callable[[int, bytes, int, int], bool]
"""Called with the kind of a frame, and where its payload begins and ends in these bytes. False: the library's."""

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
ALIVE_SECONDS = 0.2
"""A broker that sends deliveries sends no heartbeats; the library is told so often that the broker lives.

Well below half of the shortest heartbeat, 1 s: whoever asks how long the broker was silent must not take fright.
"""

_METHOD, _HEADER, _BODY = 1, 2, 3
_KINDS = (_METHOD, _HEADER, _BODY, 8)
_AROUND = 8  # a frame's bytes beside its payload
_START = 7  # those before it
_END = 0xCE
_DELIVER = b"\x00\x3c\x00\x3c"
_BODY_SIZE_AT = 4  # in the payload of a content header, after class and weight

_head = Struct(">BHI").unpack_from
_long = Struct(">Q").unpack_from


class _Incomplete:
    """A delivery of which more is to come: `header` is None until that has come."""

    __slots__ = ("body", "consumer", "header", "missing", "redelivered", "tag")

    def __init__(self, consumer: str, tag: int, redelivered: bool) -> None:  # noqa: FBT001 -- it is the field's own value
        self.consumer = consumer
        self.tag = tag
        self.redelivered = redelivered
        self.header: bytes | None = None
        self.body: list[bytes] = []
        self.missing = 0


class Sieve:
    """One connection's. `pass_on` gets what is not claimed."""

    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        self._pass_on = pass_on
        self._claims: dict[int, Take] = {}
        self._heeded: dict[int, Heed] = {}
        self._incomplete: dict[int, _Incomplete] = {}
        self._rest = b""
        self.alive_seconds = ALIVE_SECONDS
        self._passed_at = 0.0
        self._broken = False

    def claim(self, channel: int, take: Take) -> None:
        """From the next frame on. `take` must not raise, and runs inside the reading of the socket."""
        self._claims[channel] = take
        self._incomplete.pop(channel, None)  # of a channel that had this number before

    def release(self, channel: int, take: Take) -> None:
        """The channel is closed. Does nothing if another one has its number by now, and has claimed it."""
        if self._claims.get(channel) == take:
            del self._claims[channel]
            self._incomplete.pop(channel, None)

    def heed(self, channel: int, heed: Heed) -> None:
        """The same for a channel that publishes: every frame from the next one on is shown to `heed`."""
        self._heeded[channel] = heed

    def heed_no_more(self, channel: int, heed: Heed) -> None:
        if self._heeded.get(channel) == heed:
            del self._heeded[channel]

    def feed(self, data: bytes) -> None:
        """What came from the socket, cut anywhere."""
        if self._broken:
            self._pass_on(data)
            return
        data = self._rest + data
        end, at, passed = len(data), 0, 0
        unclaimed: list[bytes] = []
        while end - at >= _AROUND:
            kind, channel, size = _head(data, at)
            if kind not in _KINDS:
                self._broken, at = True, end  # no AMQP: the library knows what to say of it
                break
            start, after = at + _START, at + _AROUND + size
            if after > end:
                break
            take = self._claims.get(channel)
            if take is not None and data[after - 1] == _END:
                if kind == _METHOD and data[start : start + 4] == _DELIVER:
                    ours = True
                    after = self._begin(channel, data, start, after, take)
                else:
                    ours = channel in self._incomplete and kind in (_HEADER, _BODY)
                    if ours:
                        self._continue(channel, kind, data[start : after - 1], take)
            else:
                heed = self._heeded.get(channel)
                ours = heed is not None and data[after - 1] == _END and heed(kind, data, start, after - 1)
            if ours:
                if passed < at:
                    unclaimed.append(data[passed:at])
                passed = after
            at = after
        if passed < at:
            unclaimed.append(data[passed:at])
        self._rest = data[at:]
        now = time.monotonic()
        if not unclaimed and (self._claims or self._heeded) and now - self._passed_at > self.alive_seconds:
            unclaimed.append(HEARTBEAT)  # between two frames, and never before the connection is open
        if unclaimed:
            self._passed_at = now
            self._pass_on(b"".join(unclaimed))

    def end(self) -> None:
        """Nothing more will come. The library is to see how far the last frame got, as it says so."""
        rest, self._rest = self._rest, b""
        if rest:
            self._pass_on(rest)

    def _begin(self, channel: int, data: bytes, start: int, after: int, take: Take) -> int:
        """Returns where that ends which it saw to: the whole delivery, if all of it is there."""
        consumer_at = start + 5
        tag_at = consumer_at + data[start + 4]
        consumer = data[consumer_at:tag_at].decode(errors="replace")
        tag, redelivered = _long(data, tag_at)[0], bool(data[tag_at + 8] & 1)
        whole = _whole(data, channel, after)
        if whole is None:
            self._incomplete[channel] = _Incomplete(consumer, tag, redelivered)
            return after
        self._incomplete.pop(channel, None)
        header, body, end = whole
        take(consumer, tag, redelivered, header, body)
        return end

    def _continue(self, channel: int, kind: int, payload: bytes, take: Take) -> None:
        delivery = self._incomplete[channel]
        if kind == _HEADER:
            delivery.header = payload
            delivery.missing = _long(payload, _BODY_SIZE_AT)[0]
        else:
            delivery.body.append(payload)
            delivery.missing -= len(payload)
        if delivery.missing > 0 or delivery.header is None:
            return
        del self._incomplete[channel]
        body = delivery.body[0] if len(delivery.body) == 1 else b"".join(delivery.body)
        take(delivery.consumer, delivery.tag, delivery.redelivered, delivery.header, body)


def _whole(data: bytes, channel: int, at: int) -> tuple[bytes, bytes, int] | None:
    """Header and body, if all of both follows there as the two frames that nearly every message has, and their end."""
    if len(data) - at < _AROUND:
        return None
    kind, of, size = _head(data, at)
    header_at, body_frame = at + _START, at + _AROUND + size
    if kind != _HEADER or of != channel or len(data) - body_frame < _AROUND or data[body_frame - 1] != _END:
        return None
    kind, of, size = _head(data, body_frame)
    body_at, after = body_frame + _START, body_frame + _AROUND + size
    if kind != _BODY or of != channel or after > len(data) or data[after - 1] != _END:
        return None
    if not size or _long(data, header_at + _BODY_SIZE_AT)[0] != size:
        return None
    return data[header_at : body_frame - 1], data[body_at : after - 1], after


def sift(reader: asyncio.StreamReader) -> Sieve:
    """Puts a sieve before a reader. Call it before the broker can have sent anything: it speaks when spoken to."""
    sieve = Sieve(reader.feed_data)
    end_of_library = reader.feed_eof

    def end() -> None:
        sieve.end()
        end_of_library()

    reader.feed_data = sieve.feed  # type: ignore[method-assign, assignment]  # the only way in
    reader.feed_eof = end  # type: ignore[method-assign]
    return sieve
