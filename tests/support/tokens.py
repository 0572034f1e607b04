"""Tokens as an application's login would issue them."""

import time

import jwt

from tests.support.services import SECRET

HOUR_SECONDS = 3600.0


def token(
    user: str, *, send: str | list[str] | None = None, lives_seconds: float = HOUR_SECONDS, **claims: object
) -> str:
    """A token of `user`; `send` names the recipients it may send to."""
    content: dict[str, object] = {"sub": user, "exp": time.time() + lives_seconds, **claims}
    if send is not None:
        content["send"] = send
    return jwt.encode(content, SECRET, algorithm="HS256")


def is_over(token: str, *, since_seconds: float = 1.0) -> bool:
    """Whether the token ended so long ago that a gateway has closed a connection that was not renewed."""
    content = jwt.decode(token, options={"verify_signature": False})
    return time.time() > float(content["exp"]) + since_seconds
