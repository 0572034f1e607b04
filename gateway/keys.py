"""The public keys that tokens are checked with. A key's own type decides its algorithm, never a token.

Keys come from a JWKS, read off the event loop, and again when a token names a key that is not there: keys
are rotated. How often is bounded, so that made-up key ids cost nothing.
"""

import asyncio
import contextlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import jwt
import orjson

from shared import log

REFRESH_SECONDS = 10.0
"""The least time between two reads on behalf of unknown key ids."""

MOST_PAUSE_SECONDS = 60.0
"""It doubles with each failure, up to this."""

MOST_SECONDS = 3600.0
"""A key that was withdrawn is believed for this long, unless the JWKS cannot be read."""

WAIT_SECONDS = 4.0
"""How long a login waits for a read."""

FETCH_TIMEOUT_SECONDS = 5.0
GIVE_UP_SECONDS = 15.0
"""For the whole of a read, however slowly it comes in; the other one is for each piece."""

JWKS_BYTES = 1 << 20
RSA_BITS = 2048

_log = log.get(__name__)


class KeysAway(Exception):
    """The keys cannot be read; says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and the only algorithm that it is used with."""

    kid: str | None
    algorithm: str
    key: Any  # of the cryptography package; the secret of HS256


def read_file(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def read_url(url: str) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            # The settings admit http and https only.
            with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310
                body = bytes(answer.read(JWKS_BYTES + 1))
        except urllib.error.HTTPError as err:
            err.close()  # an answer that says no is an open connection, too
            raise
        if len(body) > JWKS_BYTES:
            raise KeysAway(f"a JWKS of more than {JWKS_BYTES} bytes")
        return body

    return read


def parse_jwks(body: bytes) -> list[Key]:
    """The usable keys of a JWKS. Raises `KeysAway` if there are none."""
    try:
        entries = list(orjson.loads(body)["keys"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as err:
        raise KeysAway("this is no JWKS") from err
    keys = [key for entry in entries if isinstance(entry, dict) if (key := _key(entry)) is not None]
    if not keys:
        raise KeysAway("no key for RS256, ES256 or EdDSA in the JWKS")
    return keys


def _key(entry: dict[str, Any]) -> Key | None:
    match entry:
        case {"kty": "RSA"}:
            algorithm = "RS256"
        case {"kty": "EC", "crv": "P-256"}:
            algorithm = "ES256"
        case {"kty": "OKP", "crv": "Ed25519"}:
            algorithm = "EdDSA"
        case _:
            return None
    if entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    # Only the public half is taken, should somebody have published the other one too.
    public: dict[str, Any] = {name: entry[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in entry}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if algorithm == "RS256" and key.key_size < RSA_BITS:
        return None
    kid = entry.get("kid")
    return Key(kid if isinstance(kid, str) else None, algorithm, key)


class KeySet:
    """The keys of one JWKS, by key id."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        """`read` blocks, and is called in a thread of its own."""
        self._read = read
        self._keys: tuple[Key, ...] = ()
        self._good_at = -MOST_SECONDS  # when they were read last
        self._next_at = 0.0  # before that, no token has them read
        self._failures = 0
        self._refresh: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        return bool(self._keys)

    async def load(self) -> None:
        """Raises `KeysAway`. Several callers at once cause one read."""
        if self._refresh is None or self._refresh.done():
            self._next_at = time.monotonic() + REFRESH_SECONDS
            self._refresh = asyncio.create_task(self._load(), name="read JWKS")
            self._refresh.add_done_callback(_heard)
        await asyncio.shield(self._refresh)

    async def find(self, kid: str | None) -> Key | None:
        """The key of that id, or the only one there is if the token names none; None when there is none for sure.

        Returns within `WAIT_SECONDS`. Raises `KeysAway` when that cannot be known yet: whoever comes again later
        may be let in.
        """
        found = _match(self._keys, kid)
        now = time.monotonic()
        may_read = now >= self._next_at
        if found is not None:
            if may_read and now - self._good_at > MOST_SECONDS:
                with contextlib.suppress(KeysAway):
                    await self._load_soon()
            return _match(self._keys, kid)
        if self._keys and kid is None:
            return None
        if not may_read and (self._refresh is None or self._refresh.done()):
            raise KeysAway("the keys were asked for a moment ago")
        await self._load_soon()
        return _match(self._keys, kid)

    async def _load_soon(self) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.load()
        except TimeoutError as err:
            raise KeysAway("the JWKS does not come") from err

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                keys = parse_jwks(await _in_thread(self._read))
        except (OSError, ValueError, HTTPException, KeysAway) as err:
            self._failures += 1
            pause = min(REFRESH_SECONDS * 2 ** (self._failures - 1), MOST_PAUSE_SECONDS)
            self._next_at = time.monotonic() + pause
            why = (str(err) or type(err).__name__)[:200]
            _log.warning("cannot read the JWKS, going on with the keys known", known=len(self._keys), reason=why)
            raise KeysAway(why) from err
        self._keys, self._failures = tuple(keys), 0
        self._good_at = time.monotonic()


def _heard(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # the log has it; whoever waited for it may have gone


async def _in_thread(read: Callable[[], bytes]) -> bytes:
    """Not in the event loop's pool: that would wait for an issuer that hangs when this process is to end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def tell(body: bytes | None, err: Exception | None) -> None:
        if answer.done():  # given up
            return
        if err is not None:
            answer.set_exception(err)
        else:
            answer.set_result(body or b"")

    def run() -> None:
        body, failure = None, None
        try:
            body = read()
        except Exception as err:  # noqa: BLE001 -- it is raised again where somebody waits
            failure = err
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, body, failure)

    threading.Thread(target=run, name="read JWKS", daemon=True).start()
    return await answer


def _match(keys: Iterable[Key], kid: str | None) -> Key | None:
    candidates = [key for key in keys if kid is None or key.kid == kid]
    return candidates[0] if len(candidates) == 1 else None
