"""Fixtures of the importer's tests: real stores, a real prober, real media and sources that misbehave."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.import_runner import Imports
from tests.support.loopback.certificate import Certificate
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import Store, running_store, versitygw
from tests.support.media_studio import Studio, session_studio
from tests.support.running_prober import RunningProber, running_prober
from tests.support.source_server import Sources, running_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "trap(what, file, outcome): a row of docs/importer.md")
    config.addinivalue_line("markers", "attack(what, outcome): a row of docs/importer.md")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


SERVERS = ["versitygw", "SeaweedFS"]
"""Every test that stores runs against each: what one lets pass, the other may refuse."""


PLAIN = " (plain)"
"""Behind a server's name: without TLS, where imports go by multipart uploads."""


def _running(server: str, folder: Path, certificate: Certificate) -> AbstractContextManager[Store]:
    tls = None if server.endswith(PLAIN) else certificate
    if server.startswith("SeaweedFS"):
        return running_seaweed(folder, certificate=tls)
    return running_store(folder, program=versitygw(), certificate=tls)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Callable[[str], Store]]:
    """Servers by name, each started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @cache
        def store_of(server: str) -> Store:
            return stack.enter_context(_running(server, tmp_path_factory.mktemp("store"), certificate))

        yield store_of


@pytest.fixture(scope="session", params=SERVERS)
def store(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """An S3 server over TLS."""
    return stores(request.param)


@pytest.fixture(scope="session", params=[server + PLAIN for server in SERVERS])
def plain_store(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """An S3 server without TLS."""
    return stores(request.param)


@pytest.fixture(scope="session", params=[*SERVERS, *(server + PLAIN for server in SERVERS)])
def any_store(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """An S3 server, over TLS or without it."""
    return stores(request.param)


@pytest.fixture(scope="session")
def s3(store: Store) -> S3Client:
    return store.client()


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return session_studio(tmp_path_factory)


@pytest.fixture(scope="session")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProber]:
    with running_prober(tmp_path_factory.mktemp("prober")) as running:
        yield running


@pytest.fixture(scope="session")
def sources() -> Iterator[Sources]:
    with running_sources() as running:
        yield running


@pytest.fixture
def imports(store: Store, sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    return Imports(store, sources, prober, tmp_path)


@pytest.fixture
def plain_imports(plain_store: Store, sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    """Imports into a store without TLS: they go by multipart uploads."""
    return Imports(plain_store, sources, prober, tmp_path)


@pytest.fixture
def any_imports(any_store: Store, sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    """Imports by one PUT or by multipart uploads, as the store makes it."""
    return Imports(any_store, sources, prober, tmp_path)


@pytest.fixture
def store_settings(store: Store) -> Callable[..., StoreSettings]:
    """Settings of the real store, with changes."""

    def settings(**changes: str) -> StoreSettings:
        variables: Mapping[str, str] = store.variables() | changes
        return StoreSettings.read(Environment(variables))

    return settings
