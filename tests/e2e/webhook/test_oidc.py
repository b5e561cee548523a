"""Callers with JWTs of an OpenID Connect issuer, whose keys the webhook fetches and the issuer replaces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_webhook.access.oidc import user_of

from tests.support.installation.issuer import ADMINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

MEDIA = "/api/v1/media"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def restored(issuer: Issuer) -> Iterator[Issuer]:
    """Issuer whose keys a test may replace; the first key is published again afterwards."""
    yield issuer
    issuer.publish("first", "second")


def test_subject_of_the_token_owns_what_it_imports(world: World, anonymous: httpx.Client, issuer: Issuer) -> None:
    anonymous.headers.update(bearer(issuer.token("auth0|alice")))
    answer = anonymous.post(f"{MEDIA}/import-from-url", json={"url": world.file_url()})
    assert answer.status_code == 202
    asset_id = answer.json()["asset_id"]
    assert world.finished_asset(anonymous, asset_id)["status"] == "ready"
    user = user_of(issuer.url, "auth0|alice")
    assert len(world.objects(f"media/{user}/{asset_id}/")) == 3
    for token, status in (
        (issuer.token("bob"), 404),
        (issuer.token("bob", groups=("others",)), 404),
        (issuer.token("carol", groups=("others", ADMINS)), 200),
    ):
        assert anonymous.get(f"{MEDIA}/{asset_id}", headers=bearer(token)).status_code == status


def test_token_that_is_not_for_us_is_refused(anonymous: httpx.Client, issuer: Issuer) -> None:
    tokens = [
        issuer.token("alice", exp=int(time.time()) - 60),
        issuer.token("alice", aud="another"),
        issuer.token("alice", iss="https://another.example.com"),
        issuer.token("alice", key="unpublished"),
        issuer.token("alice")[:-4] + "AAAA",
    ]
    answers = [anonymous.get(f"{MEDIA}/", headers=bearer(each)) for each in tokens]
    assert [each.status_code for each in answers] == [401] * len(tokens)


def test_replaced_key_is_fetched_and_the_former_one_is_no_longer_good(
    world: World, anonymous: httpx.Client, restored: Issuer
) -> None:
    former, new = bearer(restored.token("alice")), bearer(restored.token("alice", key="second"))
    assert anonymous.get(f"{MEDIA}/", headers=former).status_code == 200
    restored.publish("second")
    world.wait_until(lambda: anonymous.get(f"{MEDIA}/", headers=new).status_code == 200, "the new key", timeout_s=20)
    assert anonymous.get(f"{MEDIA}/", headers=former).status_code == 401
