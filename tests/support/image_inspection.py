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
import subprocess
import threading
from pathlib import Path

import botocore.session

PACKAGES = (
    "mediaimport_api", "mediaimport_checks", "mediaimport_importer", "mediaimport_operator", "mediaimport_prober",
    "mediaimport_runtime", "mediaimport_webhook",
)  # fmt: skip
# Run as programs of their own, in the prober's image.
OF_THE_PROBER = {"mediaimport_prober.heic", "mediaimport_prober.vips"}
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
    for package in PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if found.name in OF_THE_PROBER and shutil.which("ffmpeg") is None:
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
    device, seen = Path("/").stat().st_dev, {}
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.lstat(f"{folder}/{name}").st_dev == device]
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            if status.st_dev == device:
                seen[status.st_ino] = status.st_size
    return sum(seen.values())


def debian() -> dict[str, str]:
    """Return the packages of Debian."""
    command = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in listed.splitlines())


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
            "size_bytes": size_bytes(),
            "debian": debian(),
            "python": python(),
        }
    )
)
