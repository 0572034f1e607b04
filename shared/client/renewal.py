"""When a token must be replaced."""

import time

import jwt

EARLY_SECONDS = 30.0


def renew_in_seconds(token: str) -> float | None:
    """How long to wait: until a third of its life is left, at most 30 s. None: it does not say, or seems over.

    By the token's own `iat` where it has one, because this machine's clock may be wrong. Never raises.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        left = float(claims["exp"]) - time.time()
        life = float(claims["exp"]) - float(claims["iat"]) if "iat" in claims else left
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None
    if left <= 0:
        return None
    left = min(left, life) if life > 0 else left
    return max(1.0, left - min(EARLY_SECONDS, left / 3))
