"""Who a token says its bearer is. The algorithm is pinned by the key we hold; a refusal leaks nothing."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import jwt

from gateway.keys import Key, KeysAway, KeySet, read_file, read_url
from gateway.settings import GatewaySettings
from shared.names import is_user_id

TOKEN_CHARACTERS = 16_384
LEEWAY_SECONDS = 5.0
"""How far the issuer's clock may be ahead (`nbf`, `iat`); `exp` is kept to the second."""


class Code(StrEnum):
    """Why a client is not let in. All but `UNAVAILABLE` are final: a plain retry cannot help."""

    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    BAD_REQUEST = "bad_request"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Code
    detail: str


@dataclass(frozen=True, slots=True)
class Claims:
    """`expires` is in seconds since 1970; None: never. `recipients` None: everybody."""

    user: str
    expires: float | None
    recipients: frozenset[str] | None

    def may_send_to(self, user: str) -> bool:
        return self.recipients is None or user in self.recipients


_UNAUTHORIZED: Final = Refusal(Code.UNAUTHORIZED, "the token is not valid here")


class Verifier:
    """Checks tokens as the settings say."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._audience = settings.gateway_jwt_audience
        self._issuer = settings.gateway_jwt_issuer
        self._user_claim = settings.gateway_jwt_user_claim
        self._secret = settings.gateway_jwt_secret
        self._keys: KeySet | None = None
        if settings.gateway_jwks_file is not None:
            self._keys = KeySet(read_file(settings.gateway_jwks_file))
        elif settings.gateway_jwks_url is not None:
            self._keys = KeySet(read_url(settings.gateway_jwks_url))

    @property
    def ready(self) -> bool:
        """Whether there is a key to check with."""
        return self._keys is None or self._keys.loaded

    async def load(self) -> None:
        """Reads the keys. Raises `KeysAway`."""
        if self._keys is not None:
            await self._keys.load()

    async def verify(self, token: str) -> Claims | Refusal:
        """Never raises, whatever the token is. May wait a few seconds for a key that is not known yet."""
        if len(token) > TOKEN_CHARACTERS:
            return Refusal(Code.BAD_REQUEST, "the token is too long")
        try:
            key = await self._key(token)
            if key is None:
                return _UNAUTHORIZED
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                # Without an audience of our own, one in the token is none of our business.
                options={"verify_aud": self._audience is not None, "verify_sub": False, "verify_jti": False},
            )
            return self._claims(claims)
        except KeysAway:
            return Refusal(Code.UNAVAILABLE, "the keys cannot be read")
        except jwt.ExpiredSignatureError:
            return Refusal(Code.TOKEN_EXPIRED, "the token has expired")
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError):
            return _UNAUTHORIZED

    async def _key(self, token: str) -> Key | None:
        if self._keys is None:
            assert self._secret is not None  # noqa: S101 -- the settings hold exactly one of them
            return Key(None, "HS256", self._secret.get_secret_value())
        kid = jwt.get_unverified_header(token).get("kid")
        return await self._keys.find(kid if isinstance(kid, str) else None)

    def _claims(self, claims: dict[str, Any]) -> Claims | Refusal:
        user = claims.get(self._user_claim)
        if not isinstance(user, str) or not is_user_id(user):
            return Refusal(Code.UNAUTHORIZED, "the token names no valid user id")
        expires = float(claims["exp"]) if "exp" in claims else None
        if expires is not None and expires <= time.time():
            return Refusal(Code.TOKEN_EXPIRED, "the token has expired")
        match claims.get("send"):
            case "*":
                recipients = None
            case list(listed):
                recipients = frozenset(user for user in listed if isinstance(user, str))
            case _:
                recipients = frozenset()
        return Claims(user, expires, recipients)
