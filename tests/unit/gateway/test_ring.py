"""The ring: the last 256 confirmed ids, and no more than 64 KiB of their values."""

from gateway.core.ring import RING_IDS, RING_VALUE_BYTES, Ring
from shared.wire import NULL


def test_it_remembers_what_was_said_with_a_confirmation() -> None:
    ring = Ring()

    ring.add("m1", b'{"ok":1}')

    assert "m1" in ring
    assert ring.value("m1") == b'{"ok":1}'


def test_what_a_handshake_names_as_seen_has_the_value_null() -> None:
    ring = Ring(["m1", "m2"])

    assert (len(ring), ring.value("m1")) == (2, NULL)


def test_the_257th_id_makes_it_forget_the_oldest() -> None:
    ring = Ring(f"m{n}" for n in range(256))

    ring.add("m256", NULL)

    assert len(ring) == RING_IDS == 256
    assert ("m0" in ring, "m1" in ring, "m256" in ring) == (False, True, True)


def test_an_id_that_is_confirmed_again_is_young_again() -> None:
    ring = Ring(f"m{n}" for n in range(256))

    ring.add("m0", b"2")
    ring.add("m256", NULL)

    assert ("m0" in ring, "m1" in ring, ring.value("m0")) == (True, False, b"2")


def test_more_than_64_kib_of_values_make_it_forget_the_oldest_values_but_no_id() -> None:
    ring = Ring()
    half = b"x" * (RING_VALUE_BYTES // 2)

    for message in ("m1", "m2", "m3"):
        ring.add(message, half)

    assert RING_VALUE_BYTES == 65_536
    assert [ring.value(message) for message in ("m1", "m2", "m3")] == [NULL, NULL, half]


def test_a_value_that_is_larger_than_the_whole_ring_is_not_kept_but_its_id_is() -> None:
    ring = Ring()

    ring.add("m1", b"x" * (RING_VALUE_BYTES + 1))

    assert ring.value("m1") == NULL


def test_what_is_forgotten_gives_its_bytes_back() -> None:
    ring = Ring()
    big = b"x" * (RING_VALUE_BYTES - 4 * RING_IDS)

    for _ in range(10):
        ring.add("m1", big)

    assert ring.value("m1") == big
