"""Bodies cut at 10 to 99 %, by container and by transport: none is taken for whole.

`pytest -q -s` prints the table of outcomes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import Expected
from mediaimport_importer.download import DownloadObserver, Limits, download
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source.guard import GuardedBackend, Pace
from mediaimport_importer.source.http import HttpSource
from mediaimport_importer.spool import Spool

from tests.support.containers import CONTAINERS, ENDLESS
from tests.support.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

    Script = Callable[[Conversation], None]

PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
TRUNCATED, WHOLE, DOUBTFUL = "Truncated", "whole", "EndUnverified"
MAX_BYTES = 1 << 26


def plain(head: str) -> Callable[[bytes, int], Script]:
    """Return how a body is cut that ends with its connection."""
    return lambda body, cut: lambda conversation: conversation.send(f"{head}\r\n\r\n".encode() + body[:cut])


def sized(body: bytes, cut: int) -> Script:
    """Cut a body below its Content-Length; it cannot be resumed."""
    return lambda conversation: conversation.answer(body[:cut], Content_Length=str(len(body)))


def chunked(body: bytes, cut: int) -> Script:
    """Cut a body in the middle of a chunk; it cannot be resumed."""
    return lambda conversation: conversation.send(_chunk(body, cut))


def _chunk(body: bytes, cut: int, more: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{more}\r\n{len(body):x}\r\n"
    return head.encode() + body[:cut]


def resumed(total: str, *, again: bool) -> Callable[[bytes, int], Script]:
    """Return how a body of unknown length is cut and resumed, the rest cut in its middle too if `again`.

    The response to the Range request has no length but in Content-Range: `total` is the right one, or what it says.
    """

    def cut_at(body: bytes, cut: int) -> Script:
        def script(conversation: Conversation) -> None:
            asked = conversation.header("Range")
            if asked is None:
                return conversation.send(_chunk(body, cut, 'ETag: "one"\r\n'))
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            end = (begin + len(body)) // 2 if again and begin == cut else len(body)
            range_ = f"bytes {begin}-{len(body) - 1}/{total or len(body)}"
            fields = {"Content_Length": "", "Content_Range": range_, "ETag": '"one"'}
            return conversation.answer(body[begin:end], status="206 Partial Content", **fields)

        return script

    return cut_at


TRANSPORTS: dict[str, tuple[Callable[[bytes, int], Script], str]] = {
    "HTTP/1.0": (plain("HTTP/1.0 200 OK"), TRUNCATED),
    "HTTP/1.1, close": (plain("HTTP/1.1 200 OK\r\nConnection: close"), TRUNCATED),
    "Content-Length": (sized, TRUNCATED),
    "chunks": (chunked, TRUNCATED),
    "resumed, total": (resumed("", again=False), WHOLE),
    "resumed and cut, total": (resumed("", again=True), WHOLE),
    "resumed and cut, no total": (resumed("*", again=True), TRUNCATED),
    "resumed, wrong total": (resumed("1", again=False), TRUNCATED),
}
UNDELIMITED = {"HTTP/1.0", "HTTP/1.1, close", "resumed and cut, no total"}
"""Transports that do not say where a body ends: its format has to."""


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    filled = Table("cut at 10 to 99 %")
    yield filled
    filled.show()


def outcome(url: str, sources: Sources, path: Path, body: bytes, expected: Expected | None = None) -> str:
    """Return the end of a download: the reason of its failure, its warning, or whether all of the body arrived."""
    policy = SourcePolicy((ipaddress.ip_network("127.0.0.0/8"),), frozenset({sources.port}))
    limits = Limits(MAX_BYTES, MAX_BYTES, expected or Expected())
    backend = GuardedBackend(policy, Pace(time.monotonic() + 60))
    http = HttpSource(url, policy, backend, sleep=lambda _: None)
    try:
        with http as source, Spool(path, max_bytes=MAX_BYTES) as spool:
            found = download(source, spool, limits, DownloadObserver(lambda _: None, lambda _: None))
    except AttemptError as error:
        return error.reason.value
    if not found.proven:
        return DOUBTFUL
    return WHOLE if found.content.sha256 == hashlib.sha256(body).hexdigest() else "a part, taken for whole"


@dataclass
class Matrix:
    """Downloads of bodies that are cut, and the table of their outcomes."""

    sources: Sources
    folder: Path
    table: Table

    def outcomes(self, name: str, body: bytes, transport: str) -> dict[int, str]:
        """Return the outcome at each of PERCENTS."""
        cut_at, _ = TRANSPORTS[transport]

        def at(percent: int) -> str:
            url = self.sources.add(cut_at(body, len(body) * percent // 100))
            return outcome(url, self.sources, self.folder / str(percent), body)

        with ThreadPoolExecutor(len(PERCENTS)) as pool:
            found = dict(zip(PERCENTS, pool.map(at, PERCENTS), strict=True))
        ends = list(found.values())
        self.table.put(name, transport, ", ".join(f"{ends.count(each)} {each}" for each in dict.fromkeys(ends)))
        return found

    def whole(self, name: str, body: bytes, transport: str) -> str:
        """Return the outcome of the body as it is."""
        url = self.sources.add(TRANSPORTS[transport][0](body, len(body)))
        found = outcome(url, self.sources, self.folder / "whole", body)
        self.table.put(name, f"{transport}, not cut", found)
        return found


@pytest.fixture
def matrix(sources: Sources, tmp_path: Path, table: Table) -> Matrix:
    return Matrix(sources, tmp_path, table)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.trap(
    "a body cut at 10 to 99 %, in every transport", ", ".join(CONTAINERS), "Truncated, or resumed to its whole length"
)
def test_cut_body_is_never_taken_for_whole(matrix: Matrix, studio: Studio, name: str, transport: str) -> None:
    body = studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes()

    found = matrix.outcomes(name, body, transport)

    assert set(found.values()) == {TRANSPORTS[transport][1]}, found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.trap(
    "a body of a format without an end, cut at 10 to 99 %, in every transport",
    ", ".join(ENDLESS),
    "Truncated, or resumed to its whole length; the warning `EndUnverified` where nobody can tell",
)
def test_cut_body_of_a_format_without_an_end_is_never_taken_for_proven(
    matrix: Matrix, studio: Studio, name: str, transport: str
) -> None:
    body = studio.make(f"close.{name}", *ENDLESS[name]).read_bytes()

    found = matrix.outcomes(name, body, transport)

    doubt = {DOUBTFUL} if transport in UNDELIMITED else set[str]()
    assert {TRANSPORTS[transport][1]} <= set(found.values()) <= {TRANSPORTS[transport][1]} | doubt, found


@pytest.mark.parametrize("transport", ["HTTP/1.0", "HTTP/1.1, close"])
@pytest.mark.parametrize(("name", "expected"), [*((n, WHOLE) for n in CONTAINERS), *((n, DOUBTFUL) for n in ENDLESS)])
def test_same_body_whole_is_taken(matrix: Matrix, studio: Studio, name: str, expected: str, transport: str) -> None:
    body = studio.make(f"close.{name}", *(CONTAINERS | ENDLESS)[name]).read_bytes()

    assert matrix.whole(name, body, transport) == expected


@pytest.mark.parametrize("expected", ["size_bytes", "sha256"])
@pytest.mark.parametrize("name", ENDLESS)
def test_end_that_the_spec_knows_is_no_doubt(
    sources: Sources, studio: Studio, tmp_path: Path, name: str, expected: str
) -> None:
    body = studio.make(f"close.{name}", *ENDLESS[name]).read_bytes()
    known = {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    url = sources.add(TRANSPORTS["HTTP/1.0"][0](body, len(body)))

    assert outcome(url, sources, tmp_path / "f", body, Expected.model_validate({expected: known[expected]})) == WHOLE
