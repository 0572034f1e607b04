"""`restante token`: a token as the application's own login would make it, signed with the gateway's secret."""

import time
from pathlib import Path
from typing import Annotated

import jwt
import typer

from shared.cli.arguments import AsJson, User, seconds, user_id
from shared.cli.failures import Exit, Failure
from shared.cli.printing import show_json, show_line
from shared.cli.surroundings import CommandSettings, settings

SECRET_BYTES = 32


def signed(settings: CommandSettings, user: str, expires: float, send: str | list[str] | None, secret: str) -> str:
    """A token for `user` that ends after `expires` seconds."""
    now = int(time.time())
    claims: dict[str, object] = {settings.gateway_jwt_user_claim: user, "iat": now, "exp": now + (int(expires) or 1)}
    others = {"aud": settings.gateway_jwt_audience, "iss": settings.gateway_jwt_issuer, "send": send}
    claims |= {name: value for name, value in others.items() if value is not None}
    return jwt.encode(claims, secret, algorithm="HS256")


def user_of(settings: CommandSettings, token: str) -> str | None:
    """Whom a token says that it is for, unchecked. None: it is no token, which the gateway will say."""
    try:
        user = jwt.decode(token, options={"verify_signature": False}).get(settings.gateway_jwt_user_claim)
    except jwt.PyJWTError:
        return None
    return user if isinstance(user, str) else None


def secret_of(settings: CommandSettings, file: Path | None = None) -> str:
    """The secret from `file`, else from the environment."""
    if file is not None:
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise Failure(f"cannot read the secret in {file}: {err}", Exit.SETTING) from err
    elif settings.gateway_jwt_secret is not None:
        secret = settings.gateway_jwt_secret.get_secret_value()
    else:
        raise Failure(
            "GATEWAY_JWT_SECRET is not set: set it, give --secret-file, or run this where `make run` runs", Exit.SETTING
        )
    if len(secret.encode()) < SECRET_BYTES:
        raise Failure(f"the secret has less than {SECRET_BYTES} bytes: no gateway accepts it", Exit.SETTING)
    return secret


def recipients(text: str) -> str | list[str]:
    """The claim `send`: `*`, or user ids with commas between."""
    return "*" if text == "*" else [user_id(part.strip()) for part in text.split(",")]


def token(
    user: User,
    *,
    expires: Annotated[
        float, typer.Option(parser=seconds, metavar="TIME", help="How long it lasts: 90s, 15m, 1h, 7d.")
    ] = "1h",  # type: ignore[assignment]  # parsed as if typed
    send: Annotated[str | None, typer.Option(metavar="USERS", help="Whom the user may send to: '*', or a,b.")] = None,
    secret_file: Annotated[Path | None, typer.Option(help="A file that holds the secret.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a token with which USER can log in."""
    config = settings()
    allowed = None if send is None else recipients(send)
    text = signed(config, user, expires, allowed, secret_of(config, secret_file))
    if as_json:
        show_json({"token": text, "user": user, "expires": int(time.time() + expires), "send": allowed})
    else:
        show_line(text)
