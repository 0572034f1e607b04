"""A disk for the chaos runs that is full, and then is not."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import Kind
from tests.chaos.disk import NoDisk, SmallDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        small = SmallDisk(tmp_path, Kind.PRIVATE)
    except NoDisk as err:
        pytest.skip(f"no small disk: {err}")
    with small.mounted():
        yield small
    assert not small.path.is_mount()


def test_a_full_disk_takes_nothing_and_an_emptied_one_does_again(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(OSError, match="No space") as caught:
        (disk.path / "queue").write_bytes(bytes(10_000))
    disk.empty()
    (disk.path / "queue").write_bytes(bytes(10_000))

    assert caught.value.errno == errno.ENOSPC


def test_a_disk_is_filled_but_for_what_is_to_be_left_also_after_somebody_freed_some(disk: SmallDisk) -> None:
    other = disk.path / "other"
    other.write_bytes(bytes(5_000_000))
    disk.fill(leave_bytes=3_000_000)
    assert 2_900_000 < disk.free_bytes <= 3_000_000

    other.unlink()
    disk.fill(leave_bytes=3_000_000)

    assert 2_900_000 < disk.free_bytes <= 3_000_000


def test_emptying_a_disk_that_nobody_filled_is_no_error(disk: SmallDisk) -> None:
    disk.empty()
