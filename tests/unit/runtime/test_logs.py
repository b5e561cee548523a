from __future__ import annotations

import io
import json
import logging
import sys

from mediaimport_runtime.logs import JsonFormatter, Lines


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("mediaimport", logging.WARNING, __file__, 1, "store %s", ("away",), None)
    vars(made).update(extra)
    return made


def test_a_record_is_one_line_with_its_fields_whatever_they_hold() -> None:
    line = JsonFormatter().format(record(url="a\nb", k8s_skip=True, settings=object()))
    assert "\n" not in line
    assert json.loads(line) | {"ts": ""} == {
        "ts": "",
        "level": "warning",
        "logger": "mediaimport",
        "msg": "store away",
        "url": "a\nb",
    }


def test_a_traceback_stands_under_one_key() -> None:
    made = record()
    try:
        int("bad")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert json.loads(JsonFormatter().format(made))["exception"].endswith("'bad'")


def test_a_line_of_one_kind_looks_like_a_record() -> None:
    stream = io.StringIO()
    Lines(stream, "mediaimport", "request").write({"status": 200})
    assert json.loads(stream.getvalue()) | {"ts": ""} == {
        "ts": "", "level": "info", "logger": "mediaimport", "msg": "request", "status": 200,
    }  # fmt: skip


def test_a_stream_that_takes_no_line_breaks_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    Lines(stream, "mediaimport", "request").write({})
