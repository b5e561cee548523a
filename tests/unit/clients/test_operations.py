"""The table of clients/README.md: each operation of the OpenAPI document has methods, or a reason why it has none.

The methods of the Python clients are called, and have to send the request of their row. Those of the TypeScript client
are called by its own test of the same table.
"""

from __future__ import annotations

import inspect
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_client import MediaImport, Webhooks

from tests.support.client_driver import FILM, Driver

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "clients/README.md").read_text()
ROW = re.compile(r"^\| `(?P<route>[A-Z]+ \S+)` \| (?P<python>.+?) \| (?P<typescript>.+?) \|$", re.MULTILINE)
ROWS = [each.groups() for each in ROW.finditer(PAGE)]
CALLED = [(route, method) for route, cell, _ in ROWS for method in re.findall(r"`(.+?)`", cell)]
PATHS: dict[str, dict[str, Any]] = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
ANSWER: dict[str, object] = {
    "id": "1",
    "status": "ready",
    "url": "https://store.test/object",
    "headers": {},
    "assets": [],
    "next": None,
    "more": False,
    "imports": [],
    "models": [],
    "webhooks": [],
    "deliveries": [],
}
"""Answer that all methods understand."""
EVENT = b'event: asset\ndata: {"id": "1", "status": "ready"}\n\n'
Call = tuple[str, tuple[object, ...], dict[str, object]]


def call(name: str, /, *arguments: object, **options: object) -> Call:
    return name, arguments, options


CALLS: dict[str, Call] = {
    "generate": call("generate", "wan-video-t2v", {}),
    "job": call("job", "p1"),
    "wait_for_job": call("wait_for_job", "p1"),
    "models": call("models"),
    "import_url": call("import_url", FILM),
    "import_many": call("import_many", [{"url": FILM}]),
    "upload": call("upload", io.BytesIO(), size_bytes=0),
    "list": call("list"),
    "page": call("page"),
    "get": call("get", "1"),
    "wait": call("wait", "1"),
    "edit": call("edit", "1", name="cut"),
    "delete": call("delete", "1"),
    "get(user=…)": call("get", "1", user="ada"),
    "edit(user=…)": call("edit", "1", user="ada", name="cut"),
    "delete(user=…)": call("delete", "1", user="ada"),
    "delete_job": call("delete_job", "p1"),
    "retry": call("retry", "1"),
    "follow": call("follow", "1"),
    "events": call("events"),
    "usage": call("usage"),
    "webhooks.list": call("webhooks.list"),
    "webhooks.create": call("webhooks.create", FILM),
    "webhooks.get": call("webhooks.get", "we_1"),
    "webhooks.delete": call("webhooks.delete", "we_1"),
    "webhooks.rotate_key": call("webhooks.rotate_key", "we_1"),
    "webhooks.test": call("webhooks.test", "we_1"),
    "webhooks.replay": call("webhooks.replay", "we_1"),
    "webhooks.deliveries": call("webhooks.deliveries", "we_1"),
    "stats": call("stats"),
    "operations": call("operations"),
}


def route_of(request: httpx.Request) -> str:
    """Return the operation of the document that a request asks for, one of a literal path before one of a pattern."""
    fits = [each for each in PATHS if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), request.url.path)]
    return f"{request.method} {min(fits, key=lambda each: each.count('{'), default='nowhere')}"


def requests_of(driver: Driver, method: str) -> set[str]:
    """Return the operations that a method asks for."""
    asked: set[str] = set()

    def note(request: httpx.Request) -> httpx.Response:
        asked.add(route_of(request))
        is_stream = request.headers["accept"] == "text/event-stream"
        return httpx.Response(200, content=EVENT) if is_stream else httpx.Response(200, json=ANSWER)

    async def note_upload(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return note(request)

    answer: Callable[[httpx.Request], Any] = note if driver.kind is MediaImport else note_upload
    name, arguments, options = CALLS[method]
    driver.open("https://media.test", answer=answer)
    if name in {"list", "events", "follow"}:
        next(driver.iterate(name, *arguments, **options), None)
    else:
        driver(name, *arguments, **options)
    return asked


def test_table_has_each_operation_of_the_document_once() -> None:
    documented = {f"{method.upper()} {path}" for path, each in PATHS.items() for method in each}
    assert sorted(route for route, *_ in ROWS) == sorted(documented)


def test_operation_without_a_method_has_a_reason() -> None:
    for route, *cells in ROWS:
        assert all(re.fullmatch(r"none: [a-z].+|`.+`(, `.+`)*", each) for each in cells), route


def test_table_names_each_public_method() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name, each in vars(kind).items() if inspect.isfunction(each) and name[0] != "_"}

    expected = methods(MediaImport) - {"close"} | {f"webhooks.{each}" for each in methods(Webhooks)}
    assert {each.partition("(")[0] for _, each in CALLED} == expected


@pytest.mark.parametrize(("route", "method"), CALLED)
def test_method_sends_the_request_of_its_row(driver: Driver, route: str, method: str) -> None:
    assert route in requests_of(driver, method)
