"""Format of a text by its beginning: documents, subtitles, drawings and models that are written as text. Pure.

A server that fails answers with a text, too, and often with HTTP 200: an HTML page, or an error as JSON or XML. Such a
text is no output of a model, and is told from one by its shape.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_importer.media import formats

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_importer.media.formats import Format

_BYTE_ORDERS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF8_MARK = "\ufeff"
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_FOREIGN_SHARE = 0.15
"""Of letters beyond ASCII in a text that is not UTF-8: a Latin-1 text has fewer, random bytes have more."""


@dataclass(frozen=True)
class ErrorDocument:
    """A text that a failing server sends in the place of what was asked for; `format` if it may be wanted as such."""

    name: str
    format: Format | None = None


def decoded(head: bytes, *, complete: bool) -> str | None:
    """Return the head as text, None if it is binary. A head that is not the whole file may end within a character."""
    for mark, encoding in _BYTE_ORDERS:
        if head.startswith(mark):
            return _plain(head[2:].decode(encoding, "ignore"))
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if complete or error.start <= len(head) - 4:
            return _latin(head)
        text = head[: error.start].decode()
    return _plain(text.removeprefix(_UTF8_MARK))


def _plain(text: str) -> str | None:
    return None if _CONTROLS.search(text) else text


def _latin(head: bytes) -> str | None:
    foreign = sum(byte > 127 for byte in head)  # noqa: PLR2004 - the end of ASCII
    return _plain(head.decode("latin-1")) if foreign <= len(head) * _MAX_FOREIGN_SHARE else None


def text_format(text: str, *, complete: bool, errors: bool = True) -> Format | ErrorDocument:
    """Return the format of a text. `complete`: it is the whole file; `errors`: it may be an XML or JSON error."""
    start = text.lstrip()
    found = _markup(start) or _by_start(start) or _json(start, complete=complete) or _by_lines(text, complete=complete)
    if isinstance(found, ErrorDocument) and found.format is not None and not errors:
        return found.format
    return found


# --- HTML, SVG, XML ---

_PROLOG = re.compile(
    r"(?:\s+|<\?[^>]{0,512}\?>|<!--.{0,4096}?-->|<!doctype\s+svg\b[^>\[]{0,512}(?:\[[^\]]{0,4096}\]\s{0,64})?>)*",
    re.IGNORECASE | re.DOTALL,
)
_HTML = re.compile(r"<(?:!doctype\s+html|(?:html|head|body|title|script|meta|iframe)\b)", re.IGNORECASE)
_ROOT = re.compile(r"<(?:[\w.-]{1,64}:)?([A-Za-z][\w.-]{0,64})(?=[\s/>])")
_ERROR_ROOTS = frozenset({"error", "errors", "errorresponse", "fault", "envelope", "problem"})
_ERROR_PARTS = re.compile(r"<(?:\w{1,64}:)?(?:code|message|faultcode|faultstring|detail|title)\b", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!doctype\b", re.IGNORECASE)


def _markup(start: str) -> Format | ErrorDocument | None:
    if not start.startswith("<"):
        return None
    root_at = _PROLOG.match(start)
    body = start[root_at.end() :] if root_at else start
    if _HTML.match(body):
        return ErrorDocument("an HTML page")
    root = _ROOT.match(body)
    name = root[1].lower() if root else ""
    if name == "svg":
        return formats.SVG
    if name in _ERROR_ROOTS and _ERROR_PARTS.search(body[:4096]):
        return ErrorDocument("an XML error document", formats.XML)
    return formats.XML if root or start.startswith("<?xml") or _DOCTYPE.match(body) else None


# --- texts with a first line of their own ---

_BY_START: tuple[tuple[re.Pattern[str], Format], ...] = tuple(
    (re.compile(pattern), found)
    for pattern, found in (
        (r"%PDF-", formats.PDF),
        (r"\{\\rtf", formats.RTF),
        (r"#EXTM3U\b", formats.PLAYLIST),
        (r"WEBVTT(?=[ \t\r\n]|$)", formats.VTT),
        (r"\d{1,9}\s*?\r?\n\d{1,3}:\d\d:\d\d[,.]\d{1,3} +--> +\d", formats.SRT),
        (r"ply\r?\n(?:comment [^\n]*\n)*format ", formats.PLY),
        (r"solid\b[^\r\n]*[\r\n]\s*facet\s+normal\b", formats.STL),
        (r"; FBX \d", formats.FBX),
        (r"#usda \d", formats.USD),
    )
)


def _by_start(start: str) -> Format | None:
    return next((found for pattern, found in _BY_START if pattern.match(start)), None)


# --- JSON ---

_JSON_START = re.compile(r"[{\[]\s*(?:[\"{}\[\]\-0-9]|true\b|false\b|null\b|$)")
_GLTF = re.compile(r'"asset"\s*:\s*\{[^{}]{0,2048}"version"\s*:\s*"[12]\.')
_ERRORS = frozenset({
    "error", "errors", "err", "errmsg", "errormessage", "errorcode", "exception", "fault", "detail", "details",
})  # fmt: skip
_SPOKEN = frozenset({"message", "msg", "statustext", "statusmessage"})
_MESSAGES = _SPOKEN | frozenset({"title", "description", "reason"})
_CODES = frozenset({"code", "status", "statuscode", "type", "errcode"})
_RESULTS = frozenset({"data", "result", "output"})
_OTHERS = frozenset({
    "success", "ok", "instance", "path", "timestamp", "hint", "help", "docs", "documentationurl", "requestid",
    "traceid", "errortype", "errordescription", "erroruri", "method", "hostid", "resource", "url",
})  # fmt: skip
_ENVELOPE = _ERRORS | _MESSAGES | _CODES | _RESULTS | _OTHERS
"""Names of an answer that says only that it failed; whatever else there is makes it a document."""
_FAILURE = re.compile(
    r"error|fail|denied|forbidden|refused|unauthori|not.?authori|expired|invalid|missing|exceeded|unavailable|timeout"
    r"|timed out|not.?found|no.?such|not.?exist|bad.?request|too.?many",
    re.IGNORECASE,
)
_MAX_SPOKEN = 256
_SUCCESS = range(200, 300)


def _json(start: str, *, complete: bool) -> Format | ErrorDocument | None:
    if not _JSON_START.match(start):
        return None
    if not complete:
        return formats.GLTF if _GLTF.search(start) else formats.JSON
    try:
        value = json.loads(start)
    except (ValueError, RecursionError):
        return formats.JSON_LINES if _is_json_lines(start) else None
    if isinstance(value, dict):
        if _is_gltf(value):
            return formats.GLTF
        if is_error(value):
            return ErrorDocument("a JSON error document", formats.JSON)
    return formats.JSON


def _is_gltf(value: dict[str, Any]) -> bool:
    asset = value.get("asset")
    return isinstance(asset, dict) and str(asset.get("version", "")).startswith(("1.", "2."))


def _is_json_lines(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict | list) for line in lines)
    except (ValueError, RecursionError):
        return False


def is_error(value: dict[str, Any]) -> bool:
    """Tell whether a JSON object says that something failed, and nothing else."""
    fields = {re.sub(r"[_\-. ]", "", name).lower(): each for name, each in value.items()}
    names = set(fields)
    if not names <= _ENVELOPE or any(fields[name] for name in names & _RESULTS):
        return False
    if any(fields[name] for name in names & _ERRORS) or fields.get("success") is False or fields.get("ok") is False:
        return True
    codes = [fields[name] for name in names & _CODES]
    spoken = [*codes, *(fields[name] for name in names & _SPOKEN)]
    if any(_FAILURE.search(text[:_MAX_SPOKEN]) for text in spoken if isinstance(text, str)):
        return True
    return bool(names & _MESSAGES) and any(_is_failure(code) for code in codes)


def _is_failure(code: object) -> bool:
    """Tell whether a code is a number that is neither 0 nor one of HTTP's for success."""
    number = int(code) if isinstance(code, str) and re.fullmatch(r"-?\d{1,9}", code) else code
    return isinstance(number, int) and not isinstance(number, bool) and number != 0 and number not in _SUCCESS


# --- texts that are told by their lines ---

_OBJ_LINE = re.compile(r"(?:v|vn|vt|vp) +-?[\d.]|f +-?\d|(?:mtllib|usemtl|o|g|s) +\S|s off")
_OBJ_VERTEX = re.compile(r"^v(?: +-?[\d.]+(?:[eE][-+]?\d+)?){3,}", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +\S", re.MULTILINE)
_MARKS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(each, re.MULTILINE)
    for each in (
        r"^(?:```|~~~)",
        r"!?\[[^\[\]\n]{1,256}\]\([^()\s]{1,2048}\)",
        r"^\|.+\|\s*$\n^\|[\s:|-]+\|\s*$",
        r"^(?:[-*+]|\d+\.) +\S.*\n(?:[-*+]|\d+\.) +\S",
        r"\*\*[^*\n]+\*\*",
        r"^> +\S",
        r"^(?:=|-){3,}\s*$",
        r"`[^`\n]+`",
    )
)
_SEPARATORS = ",;\t|"
_MIN_CSV_LINES = 2


def _by_lines(text: str, *, complete: bool) -> Format:
    lines = [line for line in text.splitlines() if line.strip()]
    # The last line of a beginning may have been cut.
    whole = lines if complete or len(lines) < 2 else lines[:-1]  # noqa: PLR2004 - a line that is left
    tests: tuple[tuple[Callable[[], bool], Format], ...] = (
        (lambda: _is_obj(text, whole), formats.OBJ),
        (lambda: _is_csv(whole), formats.CSV),
        (lambda: _is_markdown(text), formats.MARKDOWN),
    )
    return next((found for test, found in tests if test()), formats.TXT)


def _is_obj(text: str, lines: list[str]) -> bool:
    statements = [line.strip() for line in lines if not line.lstrip().startswith("#")]
    return bool(_OBJ_VERTEX.search(text)) and all(_OBJ_LINE.match(line) for line in statements[:200])


def _is_csv(lines: list[str]) -> bool:
    if len(lines) < _MIN_CSV_LINES:
        return False
    return any(_has_columns(lines[:200], separator) for separator in _SEPARATORS)


def _has_columns(lines: list[str], separator: str) -> bool:
    """Tell whether each line has the same columns. A sentence has a blank behind its comma, a column rarely."""
    counts = {re.sub(r'"(?:[^"]|"")*"', "", line).count(separator) for line in lines}
    prose = separator in ",;" and all(f"{separator} " in line for line in lines)
    table = separator == "|" and all(line.startswith("|") for line in lines)
    return len(counts) == 1 and counts != {0} and not prose and not table


def _is_markdown(text: str) -> bool:
    marks = sum(bool(mark.search(text)) for mark in _MARKS)
    return marks + 2 * bool(_HEADING.search(text)) >= 2  # noqa: PLR2004 - a heading, or two lesser marks
