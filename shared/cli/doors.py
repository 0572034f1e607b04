"""What `restante doctor` finds at the gateway's door: whether it serves, its clock, and whether it knows our secret.

It knocks with a token that has ended long ago: a gateway that shares the secret says so (`token_expired`), one that
does not says `unauthorized`, and neither opens a session.
"""

import asyncio
import time
from typing import Any

import aiohttp
import orjson

from shared.cli.checks import Check, clock, fail, ok, warn
from shared.cli.failures import Failure
from shared.cli.management import ahead
from shared.cli.surroundings import CommandSettings
from shared.cli.tokens import SECRET_BYTES, secret_of, signed

ANSWER_SECONDS = 5.0
NOBODY = "restante-doctor"
LONG_AGO_SECONDS = -86400.0

_OPENED, _CONNECT, _REFUSED = "0", "40", "44"
"""Engine.IO's and Socket.IO's first characters."""


async def gateway(config: CommandSettings) -> list[Check]:
    """Whether it serves, and its clock."""
    url = f"{config.gateway_url.rstrip('/')}/readyz"
    asked = time.time()
    try:
        async with _http() as http, http.get(url) as response:
            date, status = response.headers.get("Date"), response.status
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return [
            warn("gateway", f"{config.gateway_url} does not answer", "start it, or say with GATEWAY_URL where it is")
        ]
    found = [ok("gateway", f"{config.gateway_url} can serve")]
    if status != 200:
        said = f"{config.gateway_url} cannot serve now ({status})"
        found = [fail("gateway", said, "it is draining, or has lost the broker: its log says which")]
    skew = ahead(date, asked, time.time())
    return found if skew is None else [*found, clock("the gateway", skew)]


async def secret(config: CommandSettings) -> Check:
    """Whether tokens that are made here are good there."""
    if config.gateway_jwt_secret is None:
        remedy = "set it where `token` and `listen` are used; with a JWKS only the issuer can make tokens"
        return warn("secret", "GATEWAY_JWT_SECRET is not set here", remedy)
    try:
        shared = secret_of(config)
    except Failure as err:
        return fail("secret", str(err), f"make one: openssl rand -hex {SECRET_BYTES}")
    said = await _knock(config, signed(config, NOBODY, LONG_AGO_SECONDS, None, shared))
    match said:
        case "token_expired":
            return ok("secret", f"{len(shared.encode())} bytes, the same as the gateway's")
        case "unauthorized":
            remedy = "give gateway and commands the same GATEWAY_JWT_SECRET, GATEWAY_JWT_AUDIENCE, _ISSUER, _USER_CLAIM"
            return fail("secret", "the gateway does not know it", remedy)
        case _:
            return ok("secret", f"{len(shared.encode())} bytes; the gateway was not asked")


async def _knock(config: CommandSettings, token: str) -> str | None:
    """What a gateway says to this token. None: nothing of use."""
    url = f"{config.gateway_url.rstrip('/')}/{config.gateway_path.strip('/')}/?EIO=4&transport=websocket"
    space = "" if config.gateway_namespace == "/" else f"{config.gateway_namespace},"
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _http() as http, http.ws_connect(url) as socket:
            if not (await socket.receive_str()).startswith(_OPENED):
                return None
            await socket.send_str(f"{_CONNECT}{space}{orjson.dumps({'token': token}).decode()}")
            answer = await socket.receive_str()
            if not answer.startswith(_REFUSED + space):
                return None
            said: Any = orjson.loads(answer.removeprefix(_REFUSED + space))
            return said.get("message") if isinstance(said, dict) else None
    except (aiohttp.ClientError, TimeoutError, TypeError, ValueError):
        return None


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
