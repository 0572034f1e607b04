import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from gateway.keys import MOST_SECONDS, KeysAway, KeySet, parse_jwks
from gateway.settings import GatewaySettings
from gateway.tokens import Claims, Code, Refusal, Verifier

SECRET = "secret-of-the-gateway-" + "x" * 32
OTHER_SECRET = "secret-of-somebody-else-" + "x" * 32
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC = {
    "RS256": json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())),
    "ES256": json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())),
    "EdDSA": json.loads(OKPAlgorithm.to_jwk(ED_KEY.public_key())),
}
PRIVATE: dict[str, Any] = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}


LATER = 11.0
"""So many seconds after a read the next is allowed."""


@dataclass(frozen=True)
class Clock:
    """In place of the module `time`, for the keys alone."""

    monotonic: Callable[[], float]


def by_secret(**more: Any) -> Verifier:
    return Verifier(GatewaySettings(gateway_jwt_secret=SecretStr(SECRET), **more))


def token(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def by_jwks(tmp_path: Path) -> Callable[..., Verifier]:
    def make(*names: str) -> Verifier:
        path = tmp_path / "jwks.json"
        path.write_text(json.dumps({"keys": [PUBLIC[name] | {"kid": name} for name in names]}))
        return Verifier(GatewaySettings(gateway_jwks_file=path))

    return make


async def test_a_good_token_says_who_its_bearer_is_and_how_long() -> None:
    expires = time.time() + 60

    claims = await by_secret().verify(token({"sub": "alice", "exp": expires}))

    assert isinstance(claims, Claims)
    assert claims.user == "alice"
    assert claims.expires == pytest.approx(expires, abs=1)


async def test_a_token_need_not_expire() -> None:
    claims = await by_secret().verify(token({"sub": "alice"}))

    assert claims == Claims("alice", None, frozenset())


@pytest.mark.parametrize(
    ("send", "allowed", "forbidden"),
    [("*", {"bob", "carol"}, set()), (["bob"], {"bob"}, {"carol"}), (None, set(), {"bob"}), ("bob", set(), {"bob"})],
)
async def test_the_claim_send_says_whom_it_may_write_to(send: Any, allowed: set[str], forbidden: set[str]) -> None:
    claims = await by_secret().verify(token({"sub": "alice", "send": send}))

    assert isinstance(claims, Claims)
    assert all(claims.may_send_to(user) for user in allowed)
    assert not any(claims.may_send_to(user) for user in forbidden)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_kind_of_public_key_checks_its_own_tokens(algorithm: str, by_jwks: Callable[..., Verifier]) -> None:
    verifier = by_jwks("RS256", "ES256", "EdDSA")

    claims = await verifier.verify(token({"sub": "alice"}, PRIVATE[algorithm], algorithm, kid=algorithm))

    assert isinstance(claims, Claims)
    assert claims.user == "alice"


async def test_a_token_without_a_key_id_is_checked_with_the_only_key(by_jwks: Callable[..., Verifier]) -> None:
    unnamed = token({"sub": "alice"}, ED_KEY, "EdDSA")

    assert isinstance(await by_jwks("EdDSA").verify(unnamed), Claims)
    assert isinstance(await by_jwks("EdDSA", "ES256").verify(unnamed), Refusal)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (header, claims))
    return ".".join(parts) + "."


@pytest.mark.parametrize(
    "bad",
    [
        unsigned({"alg": "none"}, {"sub": "alice"}),
        unsigned({"alg": "None", "typ": "JWT"}, {"sub": "alice"}),
        token({"sub": "alice"}, OTHER_SECRET),
        token({"sub": "alice"}, SECRET + SECRET, "HS512"),
        token({"sub": "alice"}, SECRET, "HS384"),
        token({"sub": "alice"}, RSA_KEY, "RS256"),
        token({"sub": "alice"})[:-2],
        token({"sub": "alice", "nbf": time.time() + 86_400}),
        token({"user": "alice"}),
        token({"sub": "not a user id"}),
        token({"sub": "alice/../bob"}),
        token({"sub": "alice", "exp": "soon"}),
        "",
        "a.b.c",
        "ünïcödé",
        "." * 500,
    ],
)
async def test_a_bad_token_is_unauthorized_and_the_detail_tells_nothing(bad: str) -> None:
    refusal = await by_secret().verify(bad)

    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.UNAUTHORIZED
    assert refusal.detail in {"the token is not valid here", "the token names no valid user id"}


async def test_a_public_key_is_never_taken_for_a_secret(by_jwks: Callable[..., Verifier]) -> None:
    """The classic confusion: an HS256 token signed with the public key, which everybody knows."""
    public = jwt.utils.base64url_decode(PUBLIC["EdDSA"]["x"])
    forged = token({"sub": "alice"}, public, "HS256", kid="EdDSA")

    assert isinstance(await by_jwks("EdDSA").verify(forged), Refusal)


async def test_a_key_is_used_with_its_own_algorithm_only(by_jwks: Callable[..., Verifier]) -> None:
    verifier = by_jwks("RS256", "ES256")

    for algorithm, kid in (("RS384", "RS256"), ("PS256", "RS256"), ("RS256", "ES256")):
        assert isinstance(await verifier.verify(token({"sub": "alice"}, RSA_KEY, algorithm, kid=kid)), Refusal)


async def test_an_expired_token_is_called_so() -> None:
    refusal = await by_secret().verify(token({"sub": "alice", "exp": time.time() - 1}))

    assert refusal == Refusal(Code.TOKEN_EXPIRED, "the token has expired")


async def test_an_expired_token_of_somebody_else_is_only_unauthorized() -> None:
    refusal = await by_secret().verify(token({"sub": "alice", "exp": time.time() - 1}, OTHER_SECRET))

    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.UNAUTHORIZED


async def test_a_token_that_is_too_long_is_not_even_looked_at() -> None:
    refusal = await by_secret().verify("x" * 20_000)

    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.BAD_REQUEST


async def test_audience_and_issuer_are_required_when_set() -> None:
    verifier = by_secret(gateway_jwt_audience="post", gateway_jwt_issuer="office")

    good = await verifier.verify(token({"sub": "alice", "aud": ["post", "x"], "iss": "office"}))
    others = [
        await verifier.verify(token({"sub": "alice"} | claims))
        for claims in ({}, {"aud": "post"}, {"iss": "office"}, {"aud": "bank", "iss": "office"})
    ]

    assert isinstance(good, Claims)
    assert all(isinstance(other, Refusal) for other in others)


async def test_an_audience_in_the_token_does_not_matter_when_none_is_set() -> None:
    assert isinstance(await by_secret().verify(token({"sub": "alice", "aud": "bank"})), Claims)


async def test_the_user_claim_can_be_another() -> None:
    claims = await by_secret(gateway_jwt_user_claim="uid").verify(token({"sub": "x y", "uid": "alice"}))

    assert isinstance(claims, Claims)
    assert claims.user == "alice"


def test_unusable_keys_are_left_out() -> None:
    small = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))  # noqa: S505
    other_curve = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    listed = [
        small,
        other_curve,
        {"kty": "oct", "k": "c2VjcmV0"},
        PUBLIC["ES256"] | {"alg": "HS256"},
        PUBLIC["ES256"] | {"use": "enc"},
        PUBLIC["EdDSA"] | {"x": "!"},
        "nonsense",
        PUBLIC["RS256"] | {"kid": "good"},
    ]

    assert [key.kid for key in parse_jwks(json.dumps({"keys": listed}).encode())] == ["good"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}'])
def test_a_jwks_without_a_usable_key_says_so(body: bytes) -> None:
    with pytest.raises(KeysAway):
        parse_jwks(body)


class Issuer:
    """Publishes keys that may be rotated; counts how often it is asked."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.reads = 0
        self.up = True

    def read(self) -> bytes:
        self.reads += 1
        if not self.up:
            raise OSError("no route")
        return json.dumps({"keys": [PUBLIC[name] | {"kid": name} for name in self.names]}).encode()


async def test_an_unknown_key_id_has_the_keys_read_again_but_not_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer("ES256")
    keys = KeySet(issuer.read)
    await keys.load()
    issuer.names = ("ES256", "EdDSA")

    with pytest.raises(KeysAway):  # whether there is such a key is not known before they are read again
        await keys.find("EdDSA")
    monkeypatch.setattr("gateway.keys.time", Clock(lambda: time.monotonic() + LATER))
    rotated = await keys.find("EdDSA")

    assert rotated is not None
    assert issuer.reads == 2


async def test_a_key_that_is_nowhere_even_after_a_read_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer("ES256")
    keys = KeySet(issuer.read)
    await keys.load()
    monkeypatch.setattr("gateway.keys.time", Clock(lambda: time.monotonic() + LATER))

    assert await keys.find("made up") is None


async def test_keys_that_are_known_outlive_an_issuer_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer("ES256")
    keys = KeySet(issuer.read)
    await keys.load()
    issuer.up = False
    monkeypatch.setattr("gateway.keys.time", Clock(lambda: time.monotonic() + LATER + MOST_SECONDS))

    assert await keys.find("ES256") is not None
    assert issuer.reads == 2
    with pytest.raises(KeysAway):
        await keys.find("EdDSA")


async def test_a_key_that_was_withdrawn_is_believed_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer("ES256", "EdDSA")
    keys = KeySet(issuer.read)
    await keys.load()
    issuer.names = ("EdDSA",)

    assert await keys.find("ES256") is not None
    monkeypatch.setattr("gateway.keys.time", Clock(lambda: time.monotonic() + LATER + MOST_SECONDS))
    assert await keys.find("ES256") is None


async def test_an_issuer_that_stays_away_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer("ES256")
    issuer.up = False
    keys = KeySet(issuer.read)
    now = time.monotonic()
    monkeypatch.setattr("gateway.keys.time", Clock(lambda: now))

    reads = []
    for _ in range(600):
        with pytest.raises(KeysAway):
            await keys.find("ES256")
        reads.append(issuer.reads)
        now += 1

    assert reads[0] == 1
    assert reads[-1] == 12  # after 0, 10, 30, 70 s, then once a minute
    issuer.up, now = True, now + 60
    assert await keys.find("ES256") is not None


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["keys", "kty", "crv", "n", "e", "x", "y", "kid", "alg", "use"]), inner)
        ),
        max_leaves=8,
    )
)
def test_whatever_an_issuer_publishes_is_keys_or_none(published: Any) -> None:
    kinds = [{"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, {"kty": "OKP", "crv": "Ed25519"}]
    listed = [{**published, **kind} for kind in kinds] if isinstance(published, dict) else published

    with contextlib.suppress(KeysAway):
        parse_jwks(json.dumps({"keys": listed}).encode())


async def test_without_any_key_a_token_is_neither_good_nor_bad(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.touch()
    verifier = Verifier(GatewaySettings(gateway_jwks_file=path))

    refusal = await verifier.verify(token({"sub": "alice"}, EC_KEY, "ES256", kid="ES256"))

    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.UNAVAILABLE
    assert not verifier.ready
