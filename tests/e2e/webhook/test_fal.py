"""fal.ai's callbacks on the cluster: signed with a published key, from the callback to the stored asset."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.installation.issuer import FAL_USER

if TYPE_CHECKING:
    import httpx

    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

WEBHOOK = "/api/v1/fal/webhook"


def result(request: str, url: str) -> str:
    payload = {"video": {"url": url, "content_type": "video/mp4"}, "seed": 7}
    return json.dumps({"request_id": request, "gateway_request_id": request, "status": "OK", "payload": payload})


def signed(body: str, *, request: str, key: Ed25519PrivateKey, user: str = FAL_USER) -> dict[str, str]:
    stamp = str(int(time.time()))
    message = "\n".join([request, user, stamp, hashlib.sha256(body.encode()).hexdigest()])
    fields = {"request-id": request, "user-id": user, "timestamp": stamp, "signature": key.sign(message.encode()).hex()}
    return {f"x-fal-webhook-{name}": value for name, value in fields.items()}


def test_result_is_one_asset_however_often_it_is_called_back(
    world: World, webhook: httpx.Client, issuer: Issuer
) -> None:
    url = world.file_url()
    request = hashlib.sha256(url.encode()).hexdigest()[:32]
    body = result(request, url)
    answers = [
        webhook.post(WEBHOOK, content=body, headers=signed(body, request=request, key=issuer.fal_key)) for _ in range(2)
    ]
    assert [each.json()["assets"][0]["outcome"] for each in answers] == ["created", "duplicate"]
    asset = world.finished_asset(webhook, answers[0].json()["assets"][0]["asset_id"])
    assert (asset["status"], asset["job_id"], asset["tags"]) == ("ready", request, ["ai-generated"])
    assert asset["metadata"]["sha256"] == world.film_sha256


@pytest.mark.parametrize("fault", ["another key", "another account"])
def test_callback_that_is_not_for_us_is_refused(
    world: World, anonymous: httpx.Client, issuer: Issuer, fault: str
) -> None:
    before, body = world.names(), result("never", "https://example.com/never.mp4")
    headers = {
        "another key": signed(body, request="never", key=Ed25519PrivateKey.generate()),
        "another account": signed(body, request="never", key=issuer.fal_key, user="another"),
    }[fault]
    assert anonymous.post(WEBHOOK, content=body, headers=headers).status_code == 401
    assert world.names() == before
