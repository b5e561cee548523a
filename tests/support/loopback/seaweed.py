"""A second real S3 server (SeaweedFS) on 127.0.0.1: what one server lets pass, the other may refuse."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tests.support.loopback.processes import START_TIMEOUT_S, free_port, serving
from tests.support.loopback.store import ACCESS, BUCKET, SECRET, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from tests.support.loopback.certificate import Certificate

ROLE = "arn:aws:iam::000000000000:role/importer"
MAX_SESSION_S = 3600
"""The longest session of that role."""

_PROCESS = """
import ctypes, os, sys
program = os.open(sys.argv[2], os.O_RDONLY)
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
if os.geteuid() == 0 and libc.unshare(0x20000) == 0:
    libc.mount(b"none", b"/", None, 0x44000, None)
    libc.mount(b".", b"/mnt", None, 0x1000, None)
    os.chdir("/mnt")
    libc.mount(b"tmp", b"/tmp", None, 0x1000, None)
os.execve(program, sys.argv[2:], os.environ)
"""
"""SeaweedFS puts Unix sockets into /tmp under names that two instances share: each gets a /tmp of its own, as root.

The folder may lie below the /tmp that is hidden: so it is at /mnt too, and all paths are relative. So may the program:
it is opened before.
"""


@contextmanager
def running_seaweed(folder: Path, *, certificate: Certificate | None, roles: bool = False) -> Iterator[Store]:
    """Run a store with an empty bucket, over TLS if there is a certificate; its objects lie below the folder.

    With `roles` its STS, on the same port, gives sessions of ROLE.
    """
    store = Store(free_port(), certificate)
    log = folder / "seaweed.log"
    with serving(command(folder, port=store.port, certificate=certificate, roles=roles), port=store.port, log=log):
        make_bucket(store.client(), log)
        yield store


def command(
    folder: Path, *, port: int, certificate: Certificate | None, roles: bool, address: str = "127.0.0.1"
) -> list[str]:
    """Return the command line of a server; its configuration and its objects lie below the folder."""
    for name in ("data", "tmp"):
        (folder / name).mkdir()
    (folder / "s3.json").write_text(json.dumps(_identities()))
    program = Path(sys.executable).parent / "weed"
    return [
        sys.executable, "-c", _PROCESS, str(folder), str(program), "server", f"-ip={address}", f"-ip.bind={address}",
        "-dir=data", "-volume.max=20", "-master.volumeSizeLimitMB=256", "-filer", "-s3", "-s3.config=s3.json",
        "-iam=false", *_ports(), f"-s3.port={port}", *_tls(folder, certificate), *_roles(folder, enabled=roles),
    ]  # fmt: skip


def _tls(folder: Path, certificate: Certificate | None) -> list[str]:
    if certificate is None:
        return []
    (folder / "server.crt").write_bytes(certificate.certificate.read_bytes())
    (folder / "server.key").write_bytes(certificate.key.read_bytes())
    return ["-s3.cert.file=server.crt", "-s3.key.file=server.key"]


def _roles(folder: Path, *, enabled: bool) -> list[str]:
    if not enabled:
        return []
    (folder / "roles.json").write_text(json.dumps(_one_role()))
    return ["-s3.iam.config=roles.json"]


def _one_role() -> dict[str, object]:
    """Return the configuration of a role that may do everything in the bucket, for whoever the server knows.

    Its format: https://github.com/seaweedfs/seaweedfs/blob/master/weed/s3api/s3api_server.go.
    """
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    everything = {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}
    role = {"roleName": ROLE.rpartition("/")[2], "roleArn": ROLE, "attachedPolicies": ["bucket"]}
    return {
        "sts": {
            "tokenDuration": "1h", "maxSessionLength": f"{MAX_SESSION_S}s", "issuer": "loopback", "signingKey": key,
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roleStore": {"storeType": "memory"},
        "policies": [{"name": "bucket", "document": _policy(everything)}],
        "roles": [role | {"trustPolicy": _policy(anyone)}],
    }  # fmt: skip


def _policy(statement: Mapping[str, object]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _identities() -> dict[str, object]:
    credentials = [{"accessKey": ACCESS, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "loopback", "credentials": credentials, "actions": actions}]}


def _ports() -> list[str]:
    names = [f"{part}.port{kind}" for part in ("master", "volume", "filer") for kind in ("", ".grpc")]
    names += ["s3.port.grpc", "s3.port.iceberg", "s3.port.lance"]
    return [f"-{name}={free_port()}" for name in names]


def make_bucket(client: S3Client, log: Path) -> None:
    """Make the bucket and its first object: the server listens some time before it can do either."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="first", Body=b"first")
            client.delete_object(Bucket=BUCKET, Key="first")
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS makes no bucket:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.2)
        else:
            return
