"""The manual command, an import without Kubernetes: `python -m mediaimport_importer --url … --bucket …`."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import uuid4

from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import MediaType, Source, Spec
from mediaimport_api.task import Task
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.settings import Settings
from mediaimport_importer.source.guard import FIRST_BYTE_S, FIRST_BYTE_VARIABLE
from mediaimport_importer.source.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_DATA_URI_BYTES = 10 * 1000**2
_STOP_S = 5


def parser() -> argparse.ArgumentParser:
    """Return the option parser. Credentials come from S3_… variables or the SDK's chain."""
    options_parser = argparse.ArgumentParser(
        prog="python -m mediaimport_importer",
        description="Import one URL into S3 and print the result as JSON. Without options: run as a Job's importer.",
        epilog="Credentials: S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or whatever the AWS SDK finds.",
    )
    options_parser.add_argument("--url", required=True, help="http, https or data: URI; - reads it from standard input")
    options_parser.add_argument("--bucket", help="default: S3_BUCKET_NAME")
    options_parser.add_argument("--endpoint", help="the store's URL; default: S3_ENDPOINT_URL, or AWS")
    options_parser.add_argument("--region", help="default: S3_REGION, or us-east-1")
    options_parser.add_argument("--user", default="default", help="part of the key (%(default)s)")
    options_parser.add_argument("--asset-id", default=None, help="part of the key; default: a new one")
    options_parser.add_argument(
        "--name", default="manual", help="name of the import; the same name may run again (%(default)s)"
    )
    options_parser.add_argument("--type", default="auto", choices=[each.value for each in MediaType])
    options_parser.add_argument(
        "--allow-network", action="append", default=[], metavar="CIDR", help="a private range to allow"
    )
    options_parser.add_argument(
        "--allow-port", action="append", default=[], metavar="PORT", help="a port to allow in addition to 80 and 443"
    )
    options_parser.add_argument(
        "--headers", metavar="DIRECTORY", help="a file for each request header, and `host` with the host that gets them"
    )
    options_parser.add_argument("--proxy", metavar="URL", help="proxy for the source; default: SOURCE_PROXY_URL")
    options_parser.add_argument("--max-bytes", type=int, default=5 * 1024**3)
    options_parser.add_argument("--deadline-seconds", type=int, default=1800)
    return options_parser


@contextlib.contextmanager
def settings(arguments: Sequence[str], variables: Mapping[str, str]) -> Iterator[Settings]:
    """Yield the settings for the command's options, with a prober of its own; BadSettingError for an invalid option."""
    options = parser().parse_args(arguments)
    env = Environment({**variables, **_overrides(options)})
    with tempfile.TemporaryDirectory(prefix="mediaimport-") as folder, _prober(Path(folder)) as socket:
        yield Settings(
            task=_task(options),
            store=StoreSettings.read(env),
            policy=env.source_policy(),
            scratch_directory=socket.parent / "scratch",
            scratch_bytes=options.max_bytes,
            prober_socket=socket,
            termination_log=Path(folder) / "result",
            headers_directory=Path(options.headers) if options.headers else None,
            proxy=Proxy.read(env),
            first_byte_s=env.integer(FIRST_BYTE_VARIABLE, FIRST_BYTE_S, least=1),
        )


def _overrides(options: argparse.Namespace) -> dict[str, str]:
    variables = {
        "S3_BUCKET_NAME": options.bucket,
        "S3_ENDPOINT_URL": options.endpoint,
        "S3_REGION": options.region,
        "SOURCE_PROXY_URL": options.proxy,
        "SOURCE_ALLOWED_NETWORKS": ",".join(options.allow_network),
        "SOURCE_ALLOWED_PORTS": ",".join(["80", "443", *options.allow_port]) if options.allow_port else None,
    }
    return {name: value for name, value in variables.items() if value}


def _task(options: argparse.Namespace) -> Task:
    url = sys.stdin.read().strip() if options.url == "-" else options.url
    try:
        spec = Spec.model_validate({"source": {"url": "data:,"}, "type": options.type, "user_id": options.user})
        source = _long_data_uri(url) if url.startswith("data:") else Source(url=url)
        return Task(
            owner=Owner(namespace="manual", name=options.name, uid="manual"),
            asset_id=options.asset_id or str(uuid4()),
            spec=spec.model_copy(update={"source": source}),
            run="",
            attempt=1,
            more_memory=True,
            max_size_bytes=options.max_bytes,
            deadline_seconds=options.deadline_seconds,
        )
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        raise BadSettingError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def _long_data_uri(url: str) -> Source:
    """Return a source of up to 10 MB: the 64 KiB of a resource are etcd's limit, not the importer's."""
    if len(url) > MAX_DATA_URI_BYTES:
        raise BadSettingError(f"the data: URI is longer than {MAX_DATA_URI_BYTES} characters; serve the file instead")
    return Source.model_construct(url=url)


@contextlib.contextmanager
def _prober(folder: Path) -> Iterator[Path]:
    """Run a prober for this import; yield its socket."""
    scratch, socket = folder / "scratch", folder / "prober.sock"
    scratch.mkdir()
    environment = {"SCRATCH_DIRECTORY": str(scratch), "PROBER_SOCKET": str(socket), "PATH": os.environ.get("PATH", "")}
    command = [sys.executable, "-m", "mediaimport_prober"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own program
    try:
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_S)


class Readable(io.TextIOBase):
    """A stream that turns JSON log lines into plain text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        """Write one line."""
        fields: dict[str, Any] = json.loads(line)
        rate = fields.get("bytesPerSecond")
        self._stream.write(str(fields["msg"]) + (f", {rate / 1e6:.1f} MB/s" if rate else "") + "\n")
        return len(line)

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()
