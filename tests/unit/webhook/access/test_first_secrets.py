"""The Secrets that an installation starts with, under the real client against an API server in memory."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.kubernetes.errors import ForbiddenError
from mediaimport_webhook.access.first_secrets import FirstSecrets, create_absent

from tests.support.fake_api.faults import answer
from tests.support.fake_api.server import FakeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

pytestmark = pytest.mark.anyio
NAMES = {
    "NAMESPACE": "media",
    "FIRST_TOKEN_SECRET": "mi-first-token",
    "OWNER_KEYS_SECRET": "mi-owner-keys",
    "DEFAULT_USER_ID": "alice",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi().serving() as serving:
        yield serving


async def run(api: FakeApi, **changes: str) -> dict[str, dict[str, str]]:
    """Create what is absent; return the content of all Secrets by name."""
    first = FirstSecrets.read(Environment(NAMES | changes))
    async with api.client() as client:
        await create_absent(client, first)
    return {each["metadata"]["name"]: content(each) for each in api.objects.of("secrets", "media")}


def content(secret: dict[str, Any]) -> dict[str, str]:
    encoded = {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}
    return {**encoded, **secret.get("stringData", {})}


async def test_first_run_creates_a_token_of_an_admin_and_an_owner_key(api: FakeApi) -> None:
    created = await run(api)
    token = created["mi-first-token"]["token"]
    assert json.loads(created["mi-first-token"]["tokens.json"]) == [{"token": token, "user": "alice", "role": "admin"}]
    assert len(token) >= 40
    assert len(created["mi-owner-keys"]["OWNER_TOKEN_KEYS"]) >= 32


async def test_second_run_keeps_token_and_owner_keys(api: FakeApi) -> None:
    assert await run(api) == await run(api)


async def test_secret_that_exists_is_kept_and_the_absent_one_created(api: FakeApi) -> None:
    kept = {"token": base64.b64encode(b"old").decode()}
    api.put("secrets", {"metadata": {"name": "mi-first-token", "namespace": "media"}, "data": kept})
    found = await run(api)
    assert found["mi-first-token"] == {"token": "old"}
    assert set(found) == {"mi-first-token", "mi-owner-keys"}


async def test_master_key_of_endpoints_is_created_where_users_have_some(api: FakeApi) -> None:
    created = await run(api, ENDPOINT_KEYS_SECRET="mi-endpoint-keys")
    assert len(created["mi-endpoint-keys"]["current"]) >= 32
    assert await run(api, ENDPOINT_KEYS_SECRET="mi-endpoint-keys") == created


async def test_two_installations_have_different_tokens(api: FakeApi) -> None:
    await run(api)
    created = await run(api, FIRST_TOKEN_SECRET="other")
    assert created["other"]["token"] != created["mi-first-token"]["token"]


async def test_secret_that_the_user_brings_is_not_created(api: FakeApi) -> None:
    assert set(await run(api, FIRST_TOKEN_SECRET="")) == {"mi-owner-keys"}


async def test_secrets_are_created_without_a_read(api: FakeApi) -> None:
    """The Job may create Secrets and nothing else."""
    methods: list[str] = []

    async def note(request: web.Request) -> None:
        methods.append(request.method)

    api.fault("secrets", note)
    await run(api)
    await run(api)
    assert methods == ["POST"] * 4


async def test_secret_has_no_label_by_which_argo_cd_would_delete_it(api: FakeApi) -> None:
    await run(api)
    labels = [each["metadata"]["labels"] for each in api.objects.of("secrets", "media")]
    assert [each for each in labels if "app.kubernetes.io/instance" in each] == []
    assert len(labels) == 2


async def test_missing_right_is_an_error(api: FakeApi) -> None:
    api.fault("secrets", answer(403, '{"kind": "Status", "message": "forbidden", "code": 403}'))
    with pytest.raises(ForbiddenError):
        await run(api)
