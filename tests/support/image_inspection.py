"""Inspection of an image from inside: contents and working imports as JSON; needs only the image.

tests/e2e/images/test_images.py runs it in a pod.
"""

from __future__ import annotations

import datetime as dt
import http.server
import importlib
import importlib.metadata
import json
import os
import pkgutil
import shutil
import ssl
import stat
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = (
    "mediaimport_api", "mediaimport_checks", "mediaimport_importer", "mediaimport_operator", "mediaimport_prober",
    "mediaimport_runtime", "mediaimport_webhook",
)  # fmt: skip
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""The file of public certificate authorities, which docs/catalogue.md names for the database's TLS."""
DPKG_STATUS = Path("/var/lib/dpkg/status")
# Their libraries are in the prober's image alone.
OF_THE_PROBER = {"mediaimport_prober.heic", "mediaimport_prober.vips"}
# Its libraries are in the other image alone.
OF_THE_WEBHOOK = "mediaimport_webhook.catalogue.database"
UNTIL = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
OF_STS = f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>of-sts</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>{UNTIL}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
OF_AGENT = json.dumps({"AccessKeyId": "of-agent", "SecretAccessKey": "s", "Token": "t", "Expiration": UNTIL})


class Authority(http.server.BaseHTTPRequestHandler):
    """Gives temporary credentials as STS and as the agent of a node do."""

    def do_GET(self) -> None:
        self._answer(OF_AGENT)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(OF_STS)

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def unimportable() -> dict[str, str]:
    """Import every module of ours; return the errors."""
    errors = {}
    probes = shutil.which("ffmpeg") is not None
    for package in PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if found.name.startswith(OF_THE_WEBHOOK) if probes else found.name in OF_THE_PROBER:
                continue
            try:
                importlib.import_module(found.name)
            except Exception as error:  # noqa: BLE001 - any error is a finding
                errors[found.name] = repr(error)
    return errors


def credentials(**variables: str) -> str:
    """Return the key that the SDK's own chain finds with these variables."""
    os.environ.update(variables, AWS_REGION="eu-central-1", AWS_EC2_METADATA_DISABLED="true")
    try:
        found = botocore.session.Session().get_credentials()
        return str(found.get_frozen_credentials().access_key) if found else "none"
    finally:
        for name in variables:
            del os.environ[name]


def chains() -> dict[str, str]:
    """Ask for credentials in the ways of the clouds."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/etc/os-release"}
    return {
        "web identity": credentials(AWS_ENDPOINT_URL_STS=url, **role),
        "pod identity": credentials(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/v1/credentials"),
    }


def endpoints() -> dict[str, str]:
    """Create a client of S3 and of each service that the credential chain may use."""
    session = botocore.session.Session()
    services = ("s3", "sts", "sso", "sso-oidc", "signin")
    return {name: session.create_client(name, region_name="eu-central-1").meta.endpoint_url for name in services}


def size_bytes() -> int:
    """Add up the files of the image, links counted once."""
    return sum({status.st_ino: status.st_size for _, status in files()}.values())


def debian() -> dict[str, str]:
    """Return the packages of Debian by dpkg's database; dpkg itself is not there."""
    packages = [
        dict(line.split(": ", 1) for line in package.splitlines() if line[:1].isalpha() and ": " in line)
        for package in DPKG_STATUS.read_text().strip().split("\n\n")
    ]
    assert {each["Status"] for each in packages} == {"install ok installed"}
    return {each["Package"]: each["Version"] for each in packages}


def without_copyright() -> list[str]:
    """Return the packages of Debian whose copyright is missing."""
    return [each for each in debian() if not Path("/usr/share/doc", each, "copyright").exists()]


def files() -> Iterator[tuple[Path, os.stat_result]]:
    """Return the image's regular files, without what is mounted."""
    device = Path("/").stat().st_dev
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if os.lstat(f"{folder}/{name}").st_dev == device]
        for path in (Path(folder, name) for name in names):
            status = path.lstat()
            if status.st_dev == device and stat.S_ISREG(status.st_mode):
                yield path, status


def set_id() -> list[str]:
    """Return the programs that change the user or the group of whoever runs them."""
    return [str(path) for path, status in files() if status.st_mode & (stat.S_ISUID | stat.S_ISGID)]


def unlinked() -> list[str]:
    """Return programs and shared libraries that lack a library that they are linked with."""
    loaders = (Path("/lib64/ld-linux-x86-64.so.2"), Path("/lib/ld-linux-aarch64.so.1"))
    loader = next(path for path in loaders if path.exists())
    found = []
    for path, status in files():
        if ".so" in path.name or status.st_mode & stat.S_IXUSR:
            with path.open("rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
            variables = {"LD_TRACE_LOADED_OBJECTS": "1"}
            listed = subprocess.run([loader, path], env=variables, capture_output=True, text=True, check=False).stdout
            found += [f"{path}: {line.strip()}" for line in listed.splitlines() if "not found" in line]
    return found


def python() -> dict[str, str]:
    """Return the distributions of Python."""
    return {each.name: each.version for each in importlib.metadata.distributions()}


print(  # noqa: T201 - the pod's log carries the result
    json.dumps(
        {
            "uid": os.getuid(),
            "writable": os.access("/", os.W_OK) or os.access("/opt/mediaimport", os.W_OK),
            "unimportable": unimportable(),
            "chains": chains(),
            "endpoints": endpoints(),
            "certificates": len(ssl.create_default_context().get_ca_certs()),
            "certificates_in_file": len(ssl.create_default_context(cafile=AUTHORITIES).get_ca_certs()),
            "set_id": set_id(),
            "unlinked": unlinked(),
            "without_copyright": without_copyright(),
            "size_bytes": size_bytes(),
            "debian": debian(),
            "python": python(),
        }
    )
)
