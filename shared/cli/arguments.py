"""What the commands take: user ids, durations, JSON; each refused with a line that says what is right."""

import re
from typing import Annotated, Any

import orjson
import typer
from yarl import URL

from shared.names import is_user_id

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def user_id(text: str) -> str:
    if not is_user_id(text):
        raise typer.BadParameter(f"{text!r} is no user id (1 to 128 of A-Z a-z 0-9 . _ : @ + | = ~ -)")
    return text


def seconds(text: str) -> float:
    """`90`, `90s`, `15m`, `1.5h`, `7d`, `250ms`."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(ms|[smhd]?)", text.strip(), re.ASCII)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is no duration (90, 90s, 15m, 1h, 7d)")
    return float(found[1]) * _UNITS[found[2]]


def json_bytes(text: str) -> bytes:
    """Checked, then passed on to the letter."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as err:
        raise typer.BadParameter(
            f"not JSON: {err} (a string needs quotes of its own: '\"hello\"'; or use --text)"
        ) from err
    return text.encode()


def is_address(text: str) -> bool:
    """Whether a WebSocket could be opened there."""
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https", "ws", "wss"} and bool(url.host)


def json_value(text: str) -> Any:
    return orjson.loads(json_bytes(text))


User = Annotated[str, typer.Argument(metavar="USER", parser=user_id, help="A user id.")]
MaybeUser = Annotated[str | None, typer.Argument(metavar="[USER]", parser=user_id, help="A user id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, an object on each line.")]
