"""How `restante inspect` puts what it found about the owners of partitions."""

import pytest
from rich.console import Console

from shared.cli.owners import Overview, Share, ranges


def shown(overview: Overview) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(overview.shown())
    return " ".join(capture.get().split())


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([5], "5"), ([0, 1, 2, 3, 7], "0-3, 7"), ([9, 2, 1], "1-2, 9"), ([4, 6], "4, 6")]
)
def test_numbers_that_follow_each_other_are_put_as_a_range(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


def test_each_dispatcher_is_shown_with_what_it_owns() -> None:
    overview = Overview(
        dispatchers=2, owners={"b2": Share(list(range(32, 63)), leases=5), "a1": Share(list(range(32)), leases=2)}
    )

    assert overview.unowned == [63]
    assert "dispatchers 2 dispatchers" in shown(overview)
    assert "unowned 63" in shown(overview)
    assert shown(overview).endswith("a1 32 2 0-31 b2 31 5 32-62")
    assert overview.answer()["owners"][0] == {"dispatcher": "a1", "partitions": list(range(32)), "leases": 2}


def test_without_the_management_api_it_says_what_it_cannot_know() -> None:
    overview = Overview(dispatchers=1, management="nobody answers")

    assert "who owns which partitions: nobody answers" in shown(overview)
    assert overview.answer()["unowned"] is None


def test_it_says_when_no_dispatcher_ever_ran() -> None:
    assert "never ran here" in shown(Overview())
