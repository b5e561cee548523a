"""Objects that wait for their import, in real stores."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.generation.inline import InlineFile
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.incoming import Incoming

from tests.support.loopback.certificate import Certificate
from tests.support.loopback.processes import free_port
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw
from tests.support.loopback.store_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "incoming/alice/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"
BYTES = os.urandom(700_001)
FILE = InlineFile.of("data:;base64," + base64.b64encode(BYTES).decode())


@pytest.fixture(scope="module", params=["versitygw", "versitygw (plain)", "SeaweedFS"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    certificate = None if "plain" in request.param else Certificate.make(tmp_path_factory.mktemp("tls"))
    if request.param == "SeaweedFS":
        with running_seaweed(folder, certificate=certificate) as running:
            yield running
    else:
        with running_store(folder, program=versitygw(), certificate=certificate) as running:
            yield running


def incoming(store: Store, changes: dict[str, str] | None = None, *, port: int | None = None) -> Incoming:
    return Incoming(StoreSettings.read(Environment(store.variables(port=port) | (changes or {}))))


def stored(store: Store) -> dict[str, Any]:
    answer = store.client().get_object(Bucket=BUCKET, Key=KEY)
    return {"body": answer["Body"].read(), "type": answer["ContentType"]}


@pytest.mark.parametrize("changes", [{}, {"S3_CHECKSUMS": "false"}])
def test_object_is_stored_and_overwritten(store: Store, changes: dict[str, str]) -> None:
    store.client().put_object(Bucket=BUCKET, Key=KEY, Body=b"earlier")
    asyncio.run(incoming(store, changes).put(KEY, FILE))
    assert stored(store) == {"body": BYTES, "type": "application/octet-stream"}


def test_bytes_that_change_on_the_way_are_not_stored(store: Store) -> None:
    store.client().put_object(Bucket=BUCKET, Key=KEY, Body=b"earlier")
    changed = InlineFile(FILE.uri, FILE.size_bytes, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(StoreUnavailableError):
        asyncio.run(incoming(store).put(KEY, changed))
    assert stored(store)["body"] == b"earlier"


def test_refused_write_names_the_permission(store: Store) -> None:
    with proxied(store) as proxy:
        proxy.denies = lambda request: request.method == "PUT"
        with pytest.raises(StoreUnavailableError, match=r"403 AccessDenied; .* needs s3:PutObject on incoming/\*"):
            asyncio.run(incoming(store, port=proxy.port).put(KEY, FILE))


def test_store_that_does_not_answer_is_unavailable(store: Store) -> None:
    with pytest.raises(StoreUnavailableError):
        asyncio.run(incoming(store, port=free_port()).put(KEY, FILE))
