"""Bodies that end with their connection: the transport cannot prove that they came whole, their format has to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MediaWarning

from tests.support.containers import CONTAINERS, ENDLESS
from tests.support.import_runner import Imports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Conversation, Sources


@pytest.fixture
def imports(stores: Callable[[str], Store], sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    """Imports into one store: these tests are about sources."""
    return Imports(stores("versitygw"), sources, prober, tmp_path)


def answer(head: str, body: bytes) -> Callable[[Conversation], None]:
    return lambda conversation: conversation.send(f"{head}\r\n\r\n".encode() + body)


@pytest.fixture(params=["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nConnection: close"], ids=["1.0", "1.1"])
def head(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def cut(whole: bytes, percent: int = 80) -> bytes:
    return whole[: len(whole) * percent // 100]


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.trap(
    "no length and no chunks, cut at 80 %", ", ".join(CONTAINERS), "Truncated by the format's own end; nothing stored"
)
def test_cut_body_that_ends_with_its_connection_is_not_imported(
    imports: Imports, sources: Sources, studio: Studio, head: str, name: str
) -> None:
    whole = studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes()
    task = imports.task(sources.add(answer(head, cut(whole))))

    result = imports.run(task)

    assert result.reason is Reason.TRUNCATED, result
    assert imports.stored(task) == {}
    assert imports.left_over() == []


@pytest.mark.parametrize("name", CONTAINERS)
def test_whole_body_that_ends_with_its_connection_is_imported(
    imports: Imports, sources: Sources, studio: Studio, head: str, name: str
) -> None:
    whole = studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes()

    result = imports.of(sources.add(answer(head, whole)))

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.asset.size_bytes == len(whole)


@pytest.mark.parametrize("name", ["jpg", "png"])
@pytest.mark.trap(
    "an image without its end, but with all of its Content-Length", "jpg, png", "imported as it is served"
)
def test_image_that_its_transport_proves_complete_is_imported_as_it_is(
    imports: Imports, sources: Sources, studio: Studio, name: str
) -> None:
    file = cut(studio.make(f"close.{name}", *CONTAINERS[name]).read_bytes(), 95)

    result = imports.of(sources.add(lambda conversation: conversation.answer(file)))

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.asset.size_bytes == len(file)


@pytest.mark.parametrize("name", ["ts", "aac"])
@pytest.mark.trap(
    "no length and no chunks, and a format that does not say where it ends",
    "ts, aac",
    "imported, with the warning `EndUnverified`",
)
def test_format_that_does_not_say_where_it_ends_is_imported_with_a_warning(
    imports: Imports, sources: Sources, studio: Studio, head: str, name: str
) -> None:
    file = studio.make(f"close.{name}", *ENDLESS[name])

    result = imports.of(sources.add(answer(head, file.read_bytes())))

    assert result.reason is Reason.IMPORTED, result
    assert result.media is not None
    assert result.media.warnings == [MediaWarning.END_UNVERIFIED]


def test_content_length_proves_the_end_of_any_format(imports: Imports, sources: Sources, studio: Studio) -> None:
    result = imports.of(sources.file(studio.make("close.ts", *ENDLESS["ts"])))

    assert result.media is not None
    assert result.media.warnings is None
