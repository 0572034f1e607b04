"""What `restante top` shows of what RabbitMQ tells."""

from typing import Any

from rich.console import Console

from shared.cli.owners import Share
from shared.cli.top_view import GatewayRow, Moment, UserRow


def queue(user: str, ready: int, unacked: int = 0, **rates: float) -> dict[str, Any]:
    stats = {f"{counter}_details": {"rate": value} for counter, value in rates.items()}
    return {
        "name": f"user.{user}",
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
        "consumers": 1 if unacked else 0,
        **({"message_stats": stats} if rates else {}),
    }


def drawn(moment: Moment, count: int = 20, columns: int = 80) -> str:
    console = Console(width=columns, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(moment.shown(count))
    return captured.get()


def moment(*queues: dict[str, Any], count: int | None = None) -> Moment:
    found = Moment("RabbitMQ 4.0.5", dispatchers=1, unrouted=0, dead_letters=2, published=12.34)
    found.take_users(queues, len(queues) if count is None else count)
    found.owners = {"ab12": Share([1, 2], 3)}
    return found


def test_the_longest_queue_is_first_then_the_busiest() -> None:
    told = moment(queue("idle", 0), queue("busy", 0, publish=5.0), queue("bob", 2, 3), queue("alice", 4))

    assert [row.user for row in told.rows] == ["bob", "alice", "busy", "idle"]


def test_a_queue_that_is_told_twice_counts_once_and_one_of_somebody_else_not_at_all() -> None:
    told = moment(queue("alice", 4), queue("alice", 4), queue("not/ours", 9), count=2)

    assert (told.users, [row.user for row in told.rows]) == (1, ["alice"])
    assert told.whole


def test_a_row_has_rabbitmq_s_own_rates() -> None:
    assert UserRow.of(queue("alice", 1, 2, publish=1.5, deliver=2.5, ack=3.5)) == UserRow(
        "alice", 1, 2, served=True, published=1.5, sent=2.5, acked=3.5
    )
    assert UserRow.of({"name": "user.new"}) == UserRow("new", 0, 0, served=False, published=0, sent=0, acked=0)


def test_a_gateway_is_known_by_where_it_comes_from() -> None:
    owner = {"peer_host": "10.0.0.7", "peer_port": 4321}
    stats = {"deliver_no_ack_details": {"rate": 7.0}}

    told = {"name": "gateway.0a", "messages": 3, "owner_pid_details": owner, "message_stats": stats}

    assert GatewayRow.of(told) == GatewayRow("0a", "10.0.0.7:4321", 3, 7.0)


def test_every_line_fits_into_80_columns() -> None:
    told = moment(*(queue("u" * 60 + str(n), 1_234_567, 32, publish=999.9, deliver=999.9, ack=999.9) for n in range(3)))
    told.gateways = [GatewayRow("0123456789abcdef", "[2001:db8::1234:5678]:65000", 1, 123.4)]

    lines = drawn(told).splitlines()

    assert max(len(line) for line in lines) <= 80
    assert any("1,234,567" in line and "999.9" in line and "yes" in line for line in lines)


def test_what_does_not_fit_is_counted() -> None:
    told = moment(*(queue(f"u{n}", 10 - n) for n in range(5)), count=1000)

    shown = drawn(told, count=2)

    assert "… and 998 users more" in shown
    assert "waiting ≥ 40" in shown
    assert [row["user"] for row in told.answer(2)["longest"]] == ["u0", "u1"]
    assert told.answer(2)["whole"] is False


def test_without_the_management_api_it_shows_what_amqp_tells() -> None:
    told = Moment("RabbitMQ 4.0.5", dispatchers=2, unrouted=7, dead_letters=0, management="it does not answer")

    assert "dispatchers 2   unrouted 7   dead letters 0" in drawn(told)
    assert "RABBITMQ_MANAGEMENT_URL" in drawn(told)
    answer = told.answer(5)
    assert (answer["users"], answer["rates"], answer["gateways"], answer["unrouted"]) == (None, None, None, 7)
