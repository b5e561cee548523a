"""Two users and an admin on every route of the OpenAPI document; docs/frontend.md has the table of the results.

`WRITE_PAGES=1` writes it. A route that is new fails here until it has an example request.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from mediaimport_api.names import ANNOTATION_OVERLAY
from mediaimport_webhook.access.oidc import user_of
from mediaimport_webhook.http.api_operations import OPERATIONS, Operation

from dev.generate.markdown import code, table
from tests.support.installation.issuer import ADMINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

PAGE = Path(__file__).resolve().parents[3] / "docs" / "frontend.md"
MARK = "<!-- by tests/e2e/webhook/test_access.py -->\n"
CALLERS = ("nobody", "owner", "another", "admin")
HEAD = ("route", "without a token", "who owns it", "another user", "an admin")
OPEN = {"alive", "ready", "openapi"}
SIGNED = {"replicateWebhook", "falWebhook"}
COMPLETE = "completeUpload"
TAKEDOWN = "deletePredictionMedia"
USERS = {"owner": "alice", "another": "bob", "admin": "root"}
FAILED, STORED = {"retryMedia", "followMedia"}, {"editMedia", "editMediaOfUser"}
"""Operations whose assets are of an import that has failed, or that has ended well."""
WEBHOOKS = "/api/v1/webhooks"
WEBHOOK = {"url": "https://example.com/hooks", "types": ["prediction.failed"]}
"""An endpoint that no import of these tests waits for."""
TAG = "access-table"
QUERY: Mapping[str, str | int] = {"tag": TAG, "limit": 200}
TOO_MUCH = {"text": "x" * 9000}
"""Metadata with which an import fails before it has a pod."""


@dataclass(frozen=True)
class Row:
    """Route with the answers to all callers."""

    operation: Operation
    cells: tuple[str, ...]

    @property
    def route(self) -> str:
        return f"{self.operation.method} {self.operation.path}"


class Callers:
    """Sends each request as each caller, about an asset of its own."""

    def __init__(self, world: World, webhook: httpx.Client, issuer: Issuer) -> None:
        self._world, self._webhook, self._issuer = world, webhook, issuer.url
        self._headers = {
            "nobody": {},
            "owner": {"Authorization": f"Bearer {issuer.token('alice')}"},
            "another": {"Authorization": f"Bearer {issuer.token('bob')}"},
            "admin": {"Authorization": f"Bearer {issuer.token('root', groups=(ADMINS,))}"},
        }
        self.assets = {
            (each.name, caller): str(uuid4())
            for each in OPERATIONS
            if (each.name == TAKEDOWN or "{id}" in each.path)
            and each.name != COMPLETE
            and not each.path.startswith(WEBHOOKS)
            for caller in CALLERS
        }
        self.uploads: dict[str, str] = {}
        """Ids of the owner's uploads, for each caller one to complete."""
        self.webhooks: dict[str, str] = {}
        """Ids of the owner's webhooks: one to delete, one for all else."""
        self.bobs = str(uuid4())
        self.url = world.file_url()
        self.job = ""

    def prepare(self) -> None:
        """Create one asset or upload for each request, so that no request changes the subject of the next."""
        self.delete_webhooks()
        for each in ("deleteWebhook", ""):
            made = self._webhook.post(WEBHOOKS, json=WEBHOOK, headers=self._headers["owner"])
            self.webhooks[each] = made.raise_for_status().json()["id"]
        self.uploads = {caller: self._uploaded() for caller in CALLERS}
        items = [self._manifest(asset, operation) for (operation, _), asset in self.assets.items()]
        items.append(self._manifest(self.bobs, "", user="bob"))
        self._world.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        for (operation, _), asset in self.assets.items():
            if operation in FAILED | STORED:
                self._world.wait_for_phase(f"access-{asset}", "Failed" if operation in FAILED else "Ready")
            else:
                self._world.wait_for_phase(f"access-{asset}", "Suspended")
        self._world.wait_until(
            lambda: self.listed("admin") >= {*self.assets.values(), self.bobs}, "all assets in the webhook"
        )

    def ask(self, operation: Operation, caller: str) -> str:
        """Return the status, and for a list of assets their owners."""
        asset = self.uploads[caller] if operation.name == COMPLETE else self.assets.get((operation.name, caller), "")
        subject = self.job if operation.name == "showJob" else asset
        if operation.path.startswith(WEBHOOKS):
            subject = self.webhooks.get(operation.name, self.webhooks[""])
        places = {
            "id": subject,
            "job_id": f"prediction-{asset}",
            "alias": "wan-video-t2v",
            "user": user_of(self._issuer, "alice"),
        }
        path = operation.path.format(**places)
        body: Mapping[str, Any] | None = {"url": self.url} if operation.name == "importFromUrl" else operation.example
        if operation.name == "importFromUrls":
            body = {"imports": [{"url": self.url}]}
        if operation.name == "createWebhook":
            body = WEBHOOK
        query = QUERY if operation.name == "listMedia" else None
        headers = self._headers[caller]
        with self._webhook.stream(operation.method, path, headers=headers, json=body, params=query) as answer:
            is_json = "json" in answer.headers.get("content-type", "")
            content: Any = json.loads(answer.read() or b"null") if is_json else None
        if operation.name == "generate" and answer.is_success:
            self._world.import_of(content["job_id"])
            self.job = content["job_id"] if caller == "owner" else self.job
        return str(answer.status_code) + (self._whose(operation, caller, content) if answer.is_success else "")

    def listed(self, caller: str) -> set[str]:
        """Return the assets of this test that a caller sees in the list."""
        assets = self._webhook.get("/api/v1/media/", params=QUERY, headers=self._headers[caller]).json()["assets"]
        return {each["id"] for each in assets}

    def _whose(self, operation: Operation, caller: str, content: Any) -> str:  # noqa: ANN401 - JSON
        kinds = {
            "listMedia": self._of_list,
            "operations": self._of_operations,
            "usage": self._of_usage,
            TAKEDOWN: self._of_takedown,
            "listWebhooks": self._of_webhooks,
            "stats": self._of_stats,
        }
        whose = kinds.get(operation.name)
        return "" if whose is None else _owners(whose(caller, content), caller)

    def _of_list(self, _: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        seen = {each["id"] for each in content["assets"]}
        whose = {"owner"} if seen & set(self.assets.values()) else set()
        return whose | ({"another"} if self.bobs in seen else set())

    def _of_usage(self, caller: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        if content["user"] is None:
            return {"owner", "another"}
        return {caller} if content["user"] == user_of(self._issuer, USERS[caller]) else set()

    def _of_takedown(self, caller: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        if {each["id"] for each in content["assets"]} != {self.assets[TAKEDOWN, caller]}:
            return set()
        return {"owner", "another"} if caller == "admin" else {caller}

    def _of_webhooks(self, caller: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        seen = {each["id"] for each in content["webhooks"]}
        return {caller} if bool(seen) == (caller == "owner") else set()

    def _of_operations(self, caller: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        assert (content["namespace"] is None) == (caller != "admin")
        (suspended,) = (each["count"] for each in content["under_way"] if each["phase"] == "Suspended")
        return self._counted(
            suspended, (each for each in self._world.resources() if each["spec"].get("suspend")), caller
        )

    def _of_stats(self, caller: str, content: Any) -> set[str]:  # noqa: ANN401 - JSON
        return self._counted(content["total"], self._world.resources(), caller)

    def delete_webhooks(self) -> None:
        """Delete the webhooks of all callers."""
        for headers in [self._headers[each] for each in CALLERS[1:]]:
            for one in self._webhook.get(WEBHOOKS, headers=headers).raise_for_status().json()["webhooks"]:
                self._webhook.delete(f"{WEBHOOKS}/{one['id']}", headers=headers).raise_for_status()

    def _counted(self, count: int, resources: Iterable[dict[str, Any]], caller: str) -> set[str]:
        """Tell whose resources there are so many of."""
        users = [each["spec"].get("userId") for each in resources if not is_deleted(each)]
        if count == len(users):
            return {"owner", "another"}
        return {caller} if count == users.count(user_of(self._issuer, USERS[caller])) else set()

    def _uploaded(self) -> str:
        """Begin an upload of the owner, and upload the file."""
        body = {"size_bytes": len(self._world.film), "tags": [TAG]}
        begun = self._webhook.post("/api/v1/media/uploads", json=body, headers=self._headers["owner"])
        upload: dict[str, Any] = begun.raise_for_status().json()
        put = httpx.put(upload["url"], content=self._world.film, headers=upload["headers"], verify=self._world.tls)
        put.raise_for_status()
        return str(upload["id"])

    def _manifest(self, asset: str, operation: str, *, user: str = "alice") -> dict[str, Any]:
        url = self.url if operation in STORED else "https://example.com/never.mp4"
        source: dict[str, Any] = {"url": url}
        if operation == TAKEDOWN:
            source["provider"] = {"name": "replicate", "id": f"prediction-{asset}"}
        about = {"source": source, "metadata": TOO_MUCH if operation in FAILED else {}}
        runs = operation in FAILED | STORED
        spec = {"assetId": asset, "userId": user_of(self._issuer, user), "tags": [TAG], "suspend": not runs}
        return self._world.manifest(f"access-{asset}", about | spec)


def _owners(whose: set[str], caller: str) -> str:
    if not whose:
        return ", nothing"
    if whose == {"owner", "another"}:
        return ", everybody's"
    return ", their own" if whose == {caller} else f", {sorted(whose)}"


def is_deleted(resource: dict[str, Any]) -> bool:
    """Tell whether the resource is being deleted, or its importer has found a tombstone: neither is listed."""
    found_tombstone = resource.get("status", {}).get("error", {}).get("reason") == "AssetDeleted"
    return "deletionTimestamp" in resource["metadata"] or found_tombstone


@pytest.fixture(scope="module")
def answers(world: World, issuer: Issuer) -> tuple[Callers, list[Row]]:
    """Callers, and the table of the answers."""
    kube, webhook = world.installation.kube, world.installation.webhook
    with kube.forward(webhook, 80, namespace=world.namespace) as url, httpx.Client(base_url=url, timeout=30) as client:
        callers = Callers(world, client, issuer)
        callers.prepare()
        # The request for a prediction comes after the one that starts it.
        ordered = sorted(OPERATIONS, key=lambda each: each.name == "showJob")
        # The owner comes last: its webhook is there until the others have asked for it.
        asked = sorted(CALLERS, key=lambda each: each == "owner")
        rows = []
        for operation in ordered:
            cells = {caller: callers.ask(operation, caller) for caller in asked}
            rows.append(Row(operation, tuple(cells[caller] for caller in CALLERS)))
        callers.delete_webhooks()
    return callers, sorted(rows, key=lambda each: OPERATIONS.index(each.operation))


@pytest.fixture
def rows(answers: tuple[Callers, list[Row]]) -> list[Row]:
    """Table of the answers."""
    return answers[1]


def page(rows: list[Row]) -> str:
    """Return the page with the table in its place."""
    before, _, after = PAGE.read_text().split(MARK)
    lines = [(code(each.route), *each.cells) for each in rows]
    return before + MARK + "\n" + table(HEAD, lines) + "\n" + MARK + after


def test_table_of_the_page_has_the_answers(rows: list[Row]) -> None:
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page(rows))
    assert PAGE.read_text() == page(rows)


def test_request_without_a_token_is_refused_where_one_is_required(rows: list[Row]) -> None:
    nobody = {each.operation.name: each.cells[0] for each in rows}
    assert {name for name, cell in nobody.items() if cell == "200"} == OPEN
    assert {cell for name, cell in nobody.items() if name not in OPEN} == {"401"}


def test_another_user_gets_not_found(rows: list[Row]) -> None:
    others = {each.operation.name: each.cells[2] for each in rows if "{id}" in each.operation.path}
    assert len(others) == 16
    assert set(others.values()) == {"404"}


def test_a_token_is_no_signature(rows: list[Row]) -> None:
    assert {each.cells for each in rows if each.operation.name in SIGNED} == {("401",) * len(CALLERS)}


def test_requests_of_other_callers_change_nothing(answers: tuple[Callers, list[Row]], world: World) -> None:
    callers, _ = answers
    left = {each["spec"]["assetId"]: each for each in world.resources() if TAG in each["spec"].get("tags", [])}
    for (operation, caller), asset in callers.assets.items():
        if caller in {"nobody", "another"}:
            assert not is_deleted(left[asset]), operation
            assert left[asset]["spec"].get("run", "") == "", operation
            assert ANNOTATION_OVERLAY not in left[asset]["metadata"].get("annotations", {}), operation
    assert {caller for caller, upload in callers.uploads.items() if upload in left} == {"owner"}
