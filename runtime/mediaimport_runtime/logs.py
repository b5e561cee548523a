"""Logs: one JSON object a line; the text is constant, fields say the rest."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = json.JSONEncoder(default=str)
# What every record has; kopf adds the last two to its own.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "color_message", "k8s_skip", "settings",
}  # fmt: skip
CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))
"""Fields of every line that is written in this context, such as the id of a request."""
_CHATTY = ("aiohttp.access", "botocore", "httpcore", "httpx", "kopf", "urllib3")


class JsonFormatter(logging.Formatter):
    """Writes a record with its extra fields; a traceback stands under `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; whatever is in a field is escaped."""
        moment, level = datetime.fromtimestamp(record.created, UTC), record.levelname.lower()
        line = _start(moment, level, record.name, record.getMessage())
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _LINE.encode(line)


@dataclass(frozen=True)
class Lines:
    """Lines of one kind, for what happens all the time: a LogRecord takes longer to make than an HTTP answer."""

    stream: TextIO
    logger: str
    message: str

    def write(self, fields: dict[str, Any]) -> None:
        """Write one; a stream that takes none breaks nothing, as with logging."""
        line = _start(datetime.now(UTC), "info", self.logger, self.message) | fields
        with suppress(OSError, ValueError):
            self.stream.write(_fast_line(line) + "\n")


def _fast_line(line: dict[str, Any]) -> str:
    """Return a line's JSON; one that is not ASCII is escaped: a path may hold what a terminal obeys."""
    try:
        return orjson.dumps(line).decode("ascii")
    except (TypeError, UnicodeDecodeError):
        return _LINE.encode(line)


def _start(moment: datetime, level: str, logger: str, message: str) -> dict[str, Any]:
    """Return what every line begins with."""
    line = {"ts": moment.isoformat(timespec="milliseconds"), "level": level, "logger": logger, "msg": message}
    return line | dict(CONTEXT.get())


def configure(level: str) -> None:
    """Send all logs to stderr as JSON lines; libraries' own only from WARNING on, unless everything is asked for.

    Where in the code a record was made, and in which thread, is in no line: looking it up took a third of a record's
    time. How to leave it out: https://docs.python.org/3/howto/logging.html#optimization.
    """
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level.upper() != "DEBUG":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
