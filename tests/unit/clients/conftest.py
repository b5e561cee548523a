"""A running webhook, and the clients in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_client import AsyncMediaImport, MediaImport

from tests.support.client_driver import Driver
from tests.support.loopback_webhook import loopback_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with loopback_webhook(tmp_path_factory.mktemp("webhook")) as webhook:
        yield webhook.url


@pytest.fixture(params=[MediaImport, AsyncMediaImport], ids=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    made = Driver(request.param)
    yield made
    made.close()
