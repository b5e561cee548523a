"""A real S3 server (versitygw) on 127.0.0.1."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.cluster.programs import go
from tests.support.loopback.processes import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from tests.support.loopback.certificate import Certificate

ACCESS, SECRET, BUCKET, REGION = "loopback", "loopback-secret", "media", "us-east-1"


@dataclass(frozen=True)
class Store:
    """A running server with one bucket."""

    port: int
    certificate: Certificate | None

    @property
    def endpoint_url(self) -> str:
        """Return where it serves."""
        return self.url(self.port)

    def url(self, port: int) -> str:
        """Return its URL under another port of 127.0.0.1, a proxy's."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{port}"

    def variables(self, *, port: int | None = None) -> dict[str, str]:
        """Return the S3_… variables that programs read."""
        variables = {
            "S3_BUCKET_NAME": BUCKET,
            "S3_REGION": REGION,
            "S3_ENDPOINT_URL": self.url(port or self.port),
            "S3_ACCESS_KEY_ID": ACCESS,
            "S3_SECRET_ACCESS_KEY": SECRET,
            "S3_ADDRESSING_STYLE": "path",
        }
        return variables | ({"S3_CA_BUNDLE": str(self.certificate.authority)} if self.certificate else {})

    def client(self, *, port: int | None = None, **changes: str) -> S3Client:
        """Return a client of it; `changes` are to the variables, such as other keys."""
        return client_of(self.variables(port=port) | changes)


def client_of(variables: Mapping[str, str]) -> S3Client:
    """Return a client with the S3_… variables among these."""
    return _client(tuple(sorted((name, value) for name, value in variables.items() if name.startswith("S3_"))))


@cache
def _client(variables: tuple[tuple[str, str], ...]) -> S3Client:
    """Return the one client with these variables: to make one takes longer than a request."""
    settings = StoreSettings.read(Environment(dict(variables)))
    return boto3.client("s3", **settings.client_arguments(Config))


def versitygw() -> Path:
    """Return the server's program, compiling it the first time."""
    return go.built(go.VERSITYGW.name) / "versitygw"


@contextmanager
def running_store(
    folder: Path, *, program: Path, certificate: Certificate | None, options: Sequence[str] = ()
) -> Iterator[Store]:
    """Run a store with an empty bucket, over TLS if there is a certificate; its objects lie below the folder."""
    objects = folder / "objects"
    (objects / BUCKET).mkdir(parents=True)
    store = Store(free_port(), certificate)
    tls = ["--cert", str(certificate.certificate), "--key", str(certificate.key)] if certificate else []
    keys = ["--access", ACCESS, "--secret", SECRET, "--region", REGION]
    command = [str(program), "--port", f"127.0.0.1:{store.port}", *tls, *keys, *options, "posix", str(objects)]
    with serving(command, port=store.port, log=folder / "versitygw.log"):
        yield store
