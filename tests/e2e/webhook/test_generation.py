"""Generations on the cluster: whose media it becomes, and one prediction for one Idempotency-Key."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.access.oidc import user_of

if TYPE_CHECKING:
    import httpx

    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

GENERATE = "/api/v1/replicate/wan-video-t2v"
BODY = {"prompt": "a rabbit", "tags": ["fun"]}


def bearer(issuer: Issuer, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(user)}"}


def test_media_belongs_to_the_user_who_started_the_prediction(
    world: World, webhook: httpx.Client, issuer: Issuer
) -> None:
    answer = webhook.post(GENERATE, json=BODY, headers=bearer(issuer, "alice"))
    assert (answer.status_code, answer.json()["status"]) == (202, "starting")
    path = f"/api/v1/replicate/predictions/{answer.json()['job_id']}"
    job: dict[str, Any] = {}

    def ready() -> bool:
        nonlocal job
        job = webhook.get(path, headers=bearer(issuer, "alice")).raise_for_status().json()
        return bool(job["status"] == "ready")

    world.wait_until(ready, "a ready job")
    assert (job["provider_status"], job["outputs_expected"], job["tags"]) == ("succeeded", 1, ["ai-generated", "fun"])
    assert world.get(job["assets"][0]["import_job_id"])["spec"]["userId"] == user_of(issuer.url, "alice")
    assert webhook.get(path, headers=bearer(issuer, "bob")).status_code == 404


def test_same_idempotency_key_is_the_same_prediction(world: World, webhook: httpx.Client, issuer: Issuer) -> None:
    headers = bearer(issuer, "alice") | {"Idempotency-Key": secrets.token_hex(8)}
    answers = [webhook.post(GENERATE, json=BODY, headers=headers) for _ in range(3)]
    assert {(each.status_code, each.json()["job_id"]) for each in answers} == {(202, answers[0].json()["job_id"])}
    leases = world.kubectl("get", "leases", "-l", "mediaimport.dev/record=idempotency-key", "-o", "yaml")
    assert answers[0].json()["job_id"] in leases
    other = webhook.post(GENERATE, json=BODY | {"prompt": "a hare"}, headers=headers)
    assert other.status_code == 409
