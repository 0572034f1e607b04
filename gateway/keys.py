"""The public keys that tokens are checked with. A key's own type decides its algorithm, never a token.

Keys come from a JWKS, read off the event loop, and again when a token names a key that is not there: keys
are rotated. How often is bounded, so that made-up key ids cost nothing.
"""

import asyncio
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson

from shared import log

REFRESH_SECONDS = 10.0
"""The least time between two reads on behalf of unknown key ids."""

MOST_SECONDS = 3600.0
"""A key that was withdrawn is believed for this long at most."""

FETCH_TIMEOUT_SECONDS = 5.0
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
        # The settings admit http and https only.
        with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return bytes(answer.read(JWKS_BYTES))

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
        """`read` blocks, and is called in a thread."""
        self._read = read
        self._keys: tuple[Key, ...] = ()
        self._tried = -MOST_SECONDS
        self._refresh: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        return bool(self._keys)

    async def load(self) -> None:
        """Raises `KeysAway`. Several callers at once cause one read."""
        if self._refresh is None or self._refresh.done():
            self._tried = time.monotonic()
            self._refresh = asyncio.create_task(self._load(), name="read JWKS")
        await asyncio.shield(self._refresh)

    async def find(self, kid: str | None) -> Key | None:
        """The key of that id, or the only one there is if the token names none. Raises `KeysAway`."""
        found = _match(self._keys, kid)
        age = time.monotonic() - self._tried
        if (found is None and age > REFRESH_SECONDS) or age > MOST_SECONDS or not self._keys:
            try:
                await self.load()
            except KeysAway:
                if not self._keys:
                    raise
        return _match(self._keys, kid)

    async def _load(self) -> None:
        try:
            keys = parse_jwks(await asyncio.to_thread(self._read))
        except (OSError, ValueError, KeysAway) as err:
            _log.warning("cannot read the JWKS, going on with the keys known", known=len(self._keys), why=str(err))
            raise KeysAway(str(err)) from err
        self._keys = tuple(keys)


def _match(keys: Iterable[Key], kid: str | None) -> Key | None:
    candidates = [key for key in keys if kid is None or key.kid == kid]
    return candidates[0] if len(candidates) == 1 else None
