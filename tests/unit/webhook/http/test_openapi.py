from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema_rs
import pytest
import schemathesis
from mediaimport_webhook.http.api_operations import OPERATIONS, Operation
from mediaimport_webhook.http.openapi import document
from mediaimport_webhook.http.routing import MethodRouter
from schemathesis.core.result import Ok
from starlette.routing import Route

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook

OWN = [each for each in OPERATIONS if each.bearer]


def test_document_is_openapi(webhook: RunningWebhook) -> None:
    served = webhook.call("GET", "/openapi.json", token=None).json()
    assert served == document()
    found = list(schemathesis.openapi.from_dict(served).get_all_operations())
    assert all(isinstance(each, Ok) for each in found)
    assert len(found) == len(OPERATIONS)
    assert all(jsonschema_rs.meta.is_valid(each) for each in served["components"]["schemas"].values())


def test_every_route_is_described_and_nothing_else(webhook: RunningWebhook) -> None:
    served = {
        (method, each.path)
        for each in webhook.app.routes
        if isinstance(each, Route) and isinstance(each.endpoint, MethodRouter)
        for method in each.endpoint.endpoints
        if not each.path.startswith(("/docs", "/gallery"))  # pages for people
    }
    assert served == {(each.method, each.path) for each in OPERATIONS}


def test_names_of_operations_are_distinct() -> None:
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OWN, ids=lambda each: each.name)
def test_operation_that_is_somebodys_asks_who(webhook: RunningWebhook, operation: Operation) -> None:
    path = operation.path.format(
        id="0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01", alias="wan-video-t2v", user="bob", job_id="pred1"
    )
    assert webhook.call(operation.method, path, token=None, json={}).status_code == 401


def test_document_holds_examples_of_what_is_sent() -> None:
    bodies = [
        content["application/json"]
        for path in document()["paths"].values()
        for each in path.values()
        if (content := each.get("requestBody", {}).get("content"))
    ]
    assert sum("example" in each for each in bodies) == 7
    assert "wan-video-t2v" in json.dumps(document())


def test_table_of_who_may_what_has_every_route() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs/frontend.md").read_text()
    told = re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", page, re.MULTILINE)
    assert told == [(each.method, each.path) for each in OPERATIONS]


def test_links_give_every_path_parameter_of_the_operation_that_goes_on() -> None:
    operations = {
        each["operationId"]: (path, each) for path, item in document()["paths"].items() for each in item.values()
    }
    links = [
        (link["parameters"].keys(), operations[link["operationId"]][0])
        for _, each in operations.values()
        for response in each["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) >= len(OPERATIONS)
    assert all(given == set(re.findall(r"{(\w+)}", path)) for given, path in links)
