"""Bodies cut at 10 to 99 %, by container and by transport: none is taken for whole.

`pytest -q -s` prints the table of outcomes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import Expected
from mediaimport_importer.download import DownloadObserver, Limits, download
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source.guard import GuardedBackend, Pace
from mediaimport_importer.source.http import HttpSource
from mediaimport_importer.spool import Spool

from tests.support.containers import CONTAINERS
from tests.support.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

    Script = Callable[[Conversation], None]

PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
TRUNCATED, WHOLE = "Truncated", "whole"
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


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    filled = Table("cut at 10 to 99 %")
    yield filled
    filled.show()


def outcome(url: str, sources: Sources, path: Path, body: bytes) -> str:
    """Return the end of a download: the reason of its failure, or whether all of the body arrived."""
    policy = SourcePolicy((ipaddress.ip_network("127.0.0.0/8"),), frozenset({sources.port}))
    limits = Limits(MAX_BYTES, MAX_BYTES, Expected())
    http = HttpSource(url, policy, GuardedBackend(policy, Pace(time.monotonic() + 60)))
    try:
        with http as source, Spool(path, max_bytes=MAX_BYTES) as spool:
            found = download(source, spool, limits, DownloadObserver(lambda _: None, lambda _: None))
    except AttemptError as error:
        return error.reason.value
    return WHOLE if found.content.sha256 == hashlib.sha256(body).hexdigest() else "a part, taken for whole"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.trap(
    "a body cut at 10 to 99 %, in every transport", ", ".join(CONTAINERS), "Truncated, or resumed to its whole length"
)
def test_cut_body_is_never_taken_for_whole(  # noqa: PLR0913, PLR0917 - pytest's fixtures
    sources: Sources, studio: Studio, tmp_path: Path, table: Table, name: str, transport: str
) -> None:
    body = studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes()
    cut_at, expected = TRANSPORTS[transport]

    def at(percent: int) -> str:
        url = sources.add(cut_at(body, len(body) * percent // 100))
        return outcome(url, sources, tmp_path / str(percent), body)

    # Each resumed download waits for half a second.
    with ThreadPoolExecutor(len(PERCENTS)) as pool:
        found = dict(zip(PERCENTS, pool.map(at, PERCENTS), strict=True))

    outcomes = list(found.values())
    table.put(name, transport, ", ".join(f"{outcomes.count(each)} {each}" for each in dict.fromkeys(outcomes)))
    assert set(found.values()) == {expected}, found


@pytest.mark.parametrize("name", CONTAINERS)
def test_same_body_whole_is_taken(sources: Sources, studio: Studio, tmp_path: Path, table: Table, name: str) -> None:
    body = studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes()

    for transport in ("HTTP/1.0", "HTTP/1.1, close"):
        found = outcome(sources.add(TRANSPORTS[transport][0](body, len(body))), sources, tmp_path / "file", body)
        table.put(name, f"{transport}, not cut", found)
        assert found == WHOLE
