"""Copies of the small world, as bytes: what never changes is in one table, and in the bytes only by its number."""

import io
import pickle
from collections.abc import Callable, Hashable
from typing import Any

from dispatcher.core.partition import Standing
from dispatcher.core.rules import Rules
from dispatcher.core.user import Stage
from shared.message import Content
from shared.wire import Batch, Forward, Lease, Outcome
from tests.exploration.world import SmallWorld
from tests.simulation.dispatcher import Parcel
from tests.simulation.history import Post
from tests.simulation.queue import Arguments

_values: list[object] = []
_numbers: dict[Hashable, int] = {}

_Reduced = tuple[Callable[[int], object], tuple[int]]


def freeze(world: SmallWorld) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, -1)
    pickler.dispatch_table = _TABLE
    pickler.dump(world)
    return buffer.getvalue()


def thaw(frozen: bytes) -> SmallWorld:
    world: SmallWorld = pickle.loads(frozen)  # noqa: S301 -- its own
    return world


def value(number: int) -> object:
    return _values[number]


def _number(thing: object, key: Hashable) -> _Reduced:
    number = _numbers.get(key)
    if number is None:
        number = _numbers[key] = len(_values)
        _values.append(thing)
    return value, (number,)


def _plain(thing: Any) -> _Reduced:
    return _number(thing, thing)


def _parcel(parcel: Parcel) -> _Reduced:
    return _number(parcel, (Parcel, parcel.body))


def _post(post: Post) -> _Reduced:
    return _number(post, (Post, post.uid))


_TABLE: dict[type, Callable[[Any], _Reduced]] = {
    **dict.fromkeys((Arguments, Batch, Content, Forward, Lease, Outcome, Rules, Stage, Standing), _plain),
    Parcel: _parcel,
    Post: _post,
}
