"""What a hostile client says: frames, logins, tokens, requests. Each has a name, and the fate that it must meet."""

import base64
import hmac
import json
import time
from enum import StrEnum
from typing import Any

import jwt

from tests.support.services import SECRET

AUDIENCE = "restante"
HOUR_SECONDS = 3600


class Fate(StrEnum):
    """`CLOSED`: the transport is closed at once. `IGNORED`: nothing happens, and the connection still works."""

    CLOSED = "closed"
    IGNORED = "ignored"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


FRAMES_BEFORE_LOGIN = {
    "an open packet": ("0{}", Fate.CLOSED),
    "a ping": ("2", Fate.CLOSED),
    "a message without a kind": ("4", Fate.CLOSED),
    "a kind in full-width digits": ("\uff14\uff10", Fate.CLOSED),
    "a line feed": ("\n", Fate.CLOSED),
    "a NUL": ("\0", Fate.CLOSED),
    "a frame of one megabyte that is none": ("x" * 900_000, Fate.CLOSED),
    "engine.io's payload separator": ("3\x1e3", Fate.CLOSED),
    "a binary event": ('451-["send",{"_placeholder":true,"num":0}]', Fate.CLOSED),
    "a billion attachments": ("4599999999999-[]", Fate.CLOSED),
    "a goodbye": ("1", Fate.CLOSED),
    "an event's number without end": ("42" + "1" * 100_000, Fate.CLOSED),
    "a pong to no ping": ("3", Fate.IGNORED),
    "an event": ('42["message",1]', Fate.IGNORED),
    "an event in a namespace": ('42/admin,["message",1]', Fate.IGNORED),
    "a send": ('421["send",{"to":"bob","data":1}]', Fate.IGNORED),
    "a renewal": ('421["renew",{"token":"x"}]', Fate.IGNORED),
    "a made-up connect": ('42["connect",{"REMOTE_ADDR":"127.0.0.1"},{"token":"x"}]', Fate.IGNORED),
    "a made-up disconnect": ('42["disconnect","transport close"]', Fate.IGNORED),
    "a logout": ("41", Fate.IGNORED),
    "a logout from elsewhere": ("41/admin,", Fate.IGNORED),
    "an answer to nothing": ("431[]", Fate.IGNORED),
    "an answer numbered 0": ("430[]", Fate.IGNORED),
}

# What a client that polls posts; each closes its connection.
PAYLOADS = {
    "nothing": b"",
    "no UTF-8": b"4\xff\xfe",
    "a kind that is none": b"x",
    "a packet of nothing": b"3\x1e",
    "one bad packet among good ones": b'42["message",1]\x1e9\x1e42["message",2]',
    "a binary": b"bAAAA",
    "a binary event": b'451-["send",{"_placeholder":true,"num":0}]',
    "a ping": b"2",
    "a probe": b"2probe",
    "an upgrade without a WebSocket": b"5",
    "an open packet": b"0{}",
    "a kind in full-width digits": "\uff14\uff10".encode(),
    "the form of old browsers": b'd=42["message",1]',
    "more packets than a window": b"\x1e".join([b"3"] * 257),
    "a hundred thousand packets": b"\x1e".join([b"3"] * 100_000),
    "brackets without end": b'42["message",' + b"[" * 400_000,
    "more than may be said at once": b'42["message","' + b"x" * 1_000_000 + b'"]',
    "eight megabytes": b"4" * 8_000_000,
    "a goodbye": b"1",
}

# `{}` is the number of a callback that the gateway waits for.
FRAMES_AFTER_LOGIN = {
    "brackets without end": ('42["message",' + "[" * 400_000, Fate.CLOSED),
    "an unfinished string": ('42["message","' + "x" * 500_000, Fate.CLOSED),
    "not a number": ('42["message",NaN]', Fate.CLOSED),
    "infinity": ('42["message",Infinity]', Fate.CLOSED),
    "a trailing comma": ('42["message",]', Fate.CLOSED),
    "two lists": ("42[1][2]", Fate.CLOSED),
    "an object for a list": ('42{"0":"message"}', Fate.CLOSED),
    "a negative number": ('42-1["message"]', Fate.CLOSED),
    "an answer that is no list": ("43{}1", Fate.CLOSED),
    "an answer that is an object": ('43{}{"error":"x"}', Fate.CLOSED),
    "an answer of brackets without end": ("43{}" + "[" * 400_000, Fate.CLOSED),
    "an answer that is not a number": ("43{}[NaN]", Fate.CLOSED),
    "a send of data too deep": ('427["send",{"to":"bob","data":' + nested(1100) + "}]", Fate.CLOSED),
    "a refusal of the server's own": ('44{"message":"unauthorized"}', Fate.CLOSED),
    "an event deep inside": ('42["message",' + nested(500) + "]", Fate.IGNORED),
    "an event named for the library": ('42["connect_error"]', Fate.IGNORED),
    "an event with a name of half a megabyte": ('42["' + "x" * 500_000 + '"]', Fate.IGNORED),
    "an event whose name is a number": ("42[7]", Fate.IGNORED),
    "an event whose name is null": ("42[null]", Fate.IGNORED),
    "an event whose name is an object": ('42[{"__proto__":1}]', Fate.IGNORED),
    "an event in another namespace": ('42/admin,["send",{"to":"bob","data":1}]', Fate.IGNORED),
    "an answer in another namespace": ("43/admin,{}[]", Fate.IGNORED),
    "a logout from another namespace": ("41/admin,", Fate.IGNORED),
    "a made-up connect": ('427["connect",{"asgi.scope":{}},{"token":"x"}]', Fate.IGNORED),
    "a made-up disconnect": ('427["disconnect","ping timeout"]', Fate.IGNORED),
    "a send without its argument": ('42["send"]', Fate.IGNORED),
    "a renewal without its argument": ('427["renew"]', Fate.IGNORED),
    "an answer numbered 0": ("430[]", Fate.IGNORED),
    "an answer to the largest number": ("43999999999999999[]", Fate.IGNORED),
}

LEFT_OUT = "value left out: not valid JSON, or nested too deeply"

# Answers to a message that came: what it becomes is told by the value that the receipt gets.
ANSWERS = {
    "a value deep inside": ("[" + nested(900) + "]", nested(900).encode(), ""),
    "a value too large": ('["' + "x" * 20_000 + '"]', b"null", "value of 20002 bytes left out: more than 16384"),
    "a value too deep": ("[" + nested(1100) + "]", b"null", LEFT_OUT),
    "a value far too deep": ("[" + nested(200_000) + "]", b"null", "value of 400000 bytes left out: more than 16384"),
    "two values too deep": (f"[{nested(3_000)},{nested(3_000)}]", b"null", LEFT_OUT),
    "a number beyond all floats": ("[1e999]", b"null", LEFT_OUT),
    "a name that is there twice": ('[{"a":1,"a":2}]', b'{"a":1,"a":2}', ""),
    "a reason that is no text": ('[{"error":{"deep":1}}]', b'{"error":{"deep":1}}', ""),
    "an empty reason": ('[{"error":""}]', b'{"error":""}', ""),
    "a hundred thousand arguments": ("[1" + ",1" * 100_000 + "]", b"1", ""),
}

LOGINS = {
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a text": '"token"',
    "no token": "{}",
    "a token that is null": '{"token":null}',
    "a token that is a list": '{"token":["x"]}',
    "a token without end": '{"token":"' + "x" * 500_000 + '"}',
    "a token of 16 KiB and one": '{"token":"' + "x" * 16_385 + '"}',
    "brackets without end": "[" * 100_000,
    "objects without end": '{"token":' * 50_000,
    "seen that is a number": '{"token":"x","seen":1}',
    "seen that is an object": '{"token":"x","seen":{"0":"m1"}}',
    "seen that holds a number": '{"token":"x","seen":["m1",2]}',
    "seen of ten thousand": json.dumps({"token": "x", "seen": ["m"] * 10_000}),
    "seen of one huge id": json.dumps({"token": "x", "seen": "m" * 100_000}),
    "seen deep inside": '{"token":"x","seen":' + nested(1000) + "}",
    "half a surrogate pair": '{"token":"\\ud800"}',
    "a NUL": '{"token":"x\0"}',
    "something after it": '{"token":"x"}{"token":"y"}',
}

REQUESTS = {
    "nothing": "null",
    "a list": "[]",
    "a number": "1e400",
    "no recipient": '{"data":1}',
    "no data": '{"to":"bob"}',
    "a recipient that is a list": '{"to":["bob"],"data":1}',
    "an empty recipient": '{"to":"","data":1}',
    "a recipient with a space": '{"to":"bob bob","data":1}',
    "a recipient with a wildcard": '{"to":"#","data":1}',
    "a recipient with a NUL": '{"to":"bob\\u0000","data":1}',
    "a recipient with a line feed": '{"to":"bob\\n","data":1}',
    "a recipient in Greek": '{"to":"\u0392ob","data":1}',
    "a recipient of 129 characters": json.dumps({"to": "b" * 129, "data": 1}),
    "a recipient of 100,000 characters": json.dumps({"to": "b" * 100_000, "data": 1}),
    "an empty id": '{"to":"bob","data":1,"id":""}',
    "an id of 127 characters": json.dumps({"to": "bob", "data": 1, "id": "m" * 127}),
    "an id with a line feed": '{"to":"bob","data":1,"id":"m\\n1"}',
    "an id that is no ASCII": '{"to":"bob","data":1,"id":"\u00e9"}',
    "an id that is a number": '{"to":"bob","data":1,"id":7}',
    "a type of 256 bytes": json.dumps({"to": "bob", "data": 1, "type": "t" * 256}),
    "a type that is an object": '{"to":"bob","data":1,"type":{}}',
    "no time to live": '{"to":"bob","data":1,"ttl":0}',
    "a negative time to live": '{"to":"bob","data":1,"ttl":-1}',
    "a time to live beyond all floats": '{"to":"bob","data":1,"ttl":1e999}',
    "a time to live of a million years": '{"to":"bob","data":1,"ttl":3e13}',
    "a time to live in words": '{"to":"bob","data":1,"ttl":"soon"}',
    "a time to live that is true": '{"to":"bob","data":1,"ttl":true}',
    "data beyond all floats": '{"to":"bob","data":1e999}',
}


def tokens() -> dict[str, tuple[str, str]]:
    """Tokens for a gateway that wants `AUDIENCE`, and the code with which each is refused."""
    now = int(time.time())
    good: dict[str, Any] = {"sub": "mallory", "exp": now + HOUR_SECONDS, "aud": AUDIENCE}

    def signed(key: str = SECRET, algorithm: str = "HS256", headers: Any = None, **changed: Any) -> str:
        return jwt.encode({**good, **changed}, key, algorithm=algorithm, headers=headers)

    head, body, signature = signed().split(".")
    no_algorithm = _part('{"alg":"none","typ":"JWT"}')
    plain = '{"alg":"HS256"}'
    unauthorized = {
        "no token": "",
        "dots": "..",
        "ten thousand dots": "." * 10_000,
        "no algorithm": f"{no_algorithm}.{body}.",
        "no algorithm, another's signature": f"{no_algorithm}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a signature": f"{head}.{body}.{signature[:20]}",
        "another's claims": f"{head}.{_part(json.dumps({**good, 'sub': 'bob'}))}.{signature}",
        "another key": signed("another secret of thirty-two bytes or more"),
        "another hash": signed(algorithm="HS512", key=SECRET * 2),
        "a public key's algorithm": by_hand('{"alg":"RS256"}', json.dumps(good)),
        "an algorithm that is a list": by_hand('{"alg":["HS256"]}', json.dumps(good)),
        "a key of its own": by_hand('{"alg":"none","jwk":{"kty":"oct","k":"eA"}}', json.dumps(good)),
        "a key elsewhere": by_hand('{"alg":"none","jku":"http://127.0.0.1:1/"}', json.dumps(good)),
        "a key that is a path": by_hand('{"alg":"HS256","kid":["../../etc/passwd"]}', json.dumps(good)),
        **{
            f"the key {kid!r:.40}": by_hand(json.dumps({"alg": "none", "kid": kid}), json.dumps(good))
            for kid in ODD_KEYS
        },
        "the public key for a secret": jwt_by(PUBLIC_KEY, '{"alg":"HS256"}', json.dumps(good)),
        "an empty secret": jwt_by("", '{"alg":"HS256"}', json.dumps(good)),
        "an algorithm in another case": by_hand('{"alg":"hs256"}', json.dumps(good)),
        "no algorithm in another case": _part('{"alg":"nOnE"}') + f".{body}.",
        "a body that is not in the token": by_hand('{"alg":"HS256","b64":false,"crit":["b64"]}', json.dumps(good)),
        "a packed body": by_hand('{"alg":"HS256","zip":"DEF","crit":["zip"]}', json.dumps(good)),
        "an encrypted token": "e30.e30.e30.e30.e30",
        "not yet, in words": signed(nbf="soon"),
        "not yet, at infinity": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","nbf":1e999}}'),
        "a time of issue that is a list": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","iat":[1]}}'),
        "two users": by_hand(plain, f'{{"sub":["mallory","bob"],"aud":"{AUDIENCE}"}}'),
        "an extension that must be known": by_hand('{"alg":"HS256","crit":["x"],"x":1}', json.dumps(good)),
        "a header that is a list": by_hand("[]", json.dumps(good)),
        "a header too deep": by_hand('{"alg":' + nested(1500) + "}", json.dumps(good)),
        "claims that are a list": by_hand(plain, "[]"),
        "claims that are not JSON": by_hand(plain, "{"),
        "claims too deep": by_hand(plain, '{"sub":' + nested(1500) + "}"),
        "another audience": signed(aud="elsewhere"),
        "several other audiences": signed(aud=["elsewhere", "nowhere"]),
        "no audience": jwt.encode({"sub": "mallory"}, SECRET, algorithm="HS256"),
        "an audience that is a number": by_hand(plain, '{"sub":"mallory","aud":7}'),
        "not yet": signed(nbf=now + 24 * HOUR_SECONDS),
        "issued in the future": signed(iat=now + 24 * HOUR_SECONDS),
        "an end in words": signed(exp="tomorrow"),
        "an end that is a list": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","exp":[1]}}'),
        "an end that is not a number": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","exp":NaN}}'),
        "an end beyond all floats": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","exp":1{"0" * 400}}}'),
        "an end at infinity": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","exp":Infinity}}'),
        "no user": by_hand(plain, f'{{"aud":"{AUDIENCE}"}}'),
        **{f"the user id {user!r:.30}": signed(sub=user) for user in ODD_USERS},
    }
    expired = {
        "expired long ago": signed(exp=now - HOUR_SECONDS),
        "expired just now": signed(exp=now - 1),
        "expired before 1970": signed(exp=-1),
        "an end that is true": by_hand(plain, f'{{"sub":"mallory","aud":"{AUDIENCE}","exp":true}}'),
    }
    too_long = {"a user id of a megabyte": signed(sub="m" * 400_000)}
    return {
        **{name: (token, "unauthorized") for name, token in unauthorized.items()},
        **{name: (token, "token_expired") for name, token in expired.items()},
        **{name: (token, "bad_request") for name, token in too_long.items()},
    }


ODD_USERS: list[Any] = [
    None,
    7,
    True,
    [],
    ["bob"],
    {"id": "bob"},
    "",
    " ",
    "mallory ",
    "mal lory",
    "mallory\n",
    "mallory\0",
    "#",
    "*",
    "../bob",
    "bob,alice",
    "mallory/bob",
    "b\u00f6b",
    "\u202ebob",
    "\U0001f4ee",
    "m" * 129,
    "m" * 8_000,
]


ODD_KEYS: list[Any] = [
    "../../../../dev/null",
    "/proc/self/environ",
    "http://127.0.0.1:1/keys",
    "' OR 1=1 --",
    "|/bin/true",
    "\0",
    "k" * 10_000,
    7,
    None,
    {"kid": 1},
]
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"


def by_hand(header: str, claims: str) -> str:
    """A token of any header and claims, rightly signed: what an issuer with a fault would give out."""
    return jwt_by(SECRET, header, claims)


def jwt_by(secret: str, header: str, claims: str) -> str:
    said = f"{_part(header)}.{_part(claims)}"
    signature = hmac.digest(secret.encode(), said.encode(), "sha256")
    return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
