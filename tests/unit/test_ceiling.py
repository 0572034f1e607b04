"""What is known of the largest body that the broker takes."""

import pytest

from shared.ceiling import Ceiling
from shared.publish import TooLarge


def test_before_a_refusal_everything_goes_in_one_piece() -> None:
    body = bytes(100_000_000)

    assert Ceiling().parts(body) == [body]
    assert Ceiling().takes(body)


@pytest.mark.parametrize(
    ("body", "parts"),
    [(b"", [b""]), (b"1234", [b"1234"]), (b"12345", [b"1234", b"5"]), (b"123456789", [b"1234", b"5678", b"9"])],
)
def test_after_it_what_is_larger_goes_in_parts(body: bytes, parts: list[bytes]) -> None:
    ceiling = Ceiling()

    ceiling.learn(TooLarge("message size 100 is larger than configured max size 4", 4))

    assert ceiling.parts(body) == parts
    assert ceiling.takes(body) is (len(parts) == 1)
