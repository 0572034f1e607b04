"""What the libraries write into the log of a service is cut down to what an operator may see."""

import contextlib
import io
import logging
from typing import cast
from unittest.mock import patch

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared import log
from shared.settings import LogFormat, LogLevel


def test_a_message_that_comes_back_too_late_is_logged_without_what_it_says() -> None:
    returned = DeliveredMessage(
        delivery=Basic.Return(312, "NO_ROUTE", "messages", "alice"),
        header=ContentHeader(),
        body=b"alice's",
        channel=cast("AbstractChannel", None),
    )
    root, written = logging.getLogger(), io.StringIO()

    with patch.multiple(root, handlers=[], level=root.level):
        with contextlib.redirect_stderr(written):
            log.configure(LogLevel.INFO, LogFormat.TEXT)
        logging.getLogger("aiormq.channel").error("Unhandled message %r returning", returned)

    assert "Unhandled message" in written.getvalue()
    assert "alice's" not in written.getvalue()
