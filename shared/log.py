"""One log line for each event an operator can act on: text or JSON, context as key=value.

`get(__name__).info("broker link lost", retry_seconds=2)` is all that the rest of the code knows. Lines of
the libraries pass through the same form, rarely and without tracebacks: a hostile client or a broker that
goes away must not be able to fill the log.
"""

import logging
import time
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.settings import LogFormat, LogLevel

_NOISY = ("uvicorn", "websockets", "engineio", "engineio.server", "socketio", "socketio.server", "aiormq", "aio_pika")
_NOISE_SECONDS = 10.0


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module; `name` is its `__name__`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure(level: LogLevel, form: LogFormat) -> None:
    """Call once, at the start of a process. Idempotent."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    common: list[Any] = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    render = structlog.processors.JSONRenderer() if form is LogFormat.JSON else _text
    output = logging.StreamHandler()
    output.addFilter(_Seldom())  # not on their loggers, which do not filter what their children say
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Seldom(logging.Filter):
    """Lets one line of each kind that a library has through every ten seconds, and takes its traceback away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in _NOISY:
            return True
        kind = record.name + (str(record.msg)[:80] if record.args else "")
        if time.monotonic() - self._last.get(kind, -_NOISE_SECONDS) < _NOISE_SECONDS:
            self._held[kind] = self._held.get(kind, 0) + 1
            return False
        if len(self._last) > 100:
            self._last.clear()
        self._last[kind] = time.monotonic()
        held, error = self._held.pop(kind, 0), record.exc_info[1] if record.exc_info else None
        text = record.getMessage().strip().splitlines()[0] if record.getMessage().strip() else ""
        text = text.partition(", body=")[0]  # aiormq shows a message that came back too late, with what it says
        record.msg = text[:500] + (f" ({type(error).__name__})" if error else "") + (f" ({held} more)" if held else "")
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return True


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    stamp, level, name = event.pop("timestamp", ""), event.pop("level", ""), event.pop("logger", "")
    text, trace = event.pop("event", ""), event.pop("exception", None)
    context = "".join(f" {key}={_value(value)}" for key, value in event.items())
    return f"{stamp} {level:<7} {name}: {text}{context}" + (f"\n{trace}" if trace else "")


def _value(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else repr(text)
