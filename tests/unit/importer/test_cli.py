"""The manual command: an import without Kubernetes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result

if TYPE_CHECKING:
    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources


ROOT = Path(__file__).resolve().parents[3]


def run_command(
    imports: Imports, *options: str, stdin: str = "", deadline_s: float = 60
) -> subprocess.CompletedProcess[str]:
    environment = imports.store.variables() | {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mediaimport_importer", *options]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=deadline_s, check=False
    )


def test_command_needs_no_kubernetes(imports: Imports, sources: Sources, studio: Studio) -> None:
    url, port = sources.file(studio.video()), str(sources.port)

    ran = run_command(imports, "--url", url, "--allow-network", "127.0.0.0/8", "--allow-port", port, "--user", "anna")

    assert ran.returncode == 0, ran.stderr
    result = Result.model_validate_json(ran.stdout)
    assert result.asset is not None
    assert result.asset.key.startswith("media/anna/")
    assert "downloaded" in ran.stderr


def test_command_accepts_a_long_data_uri(imports: Imports, studio: Studio) -> None:
    noise = "nullsrc=s=640x360,geq=random(1)*255:128:128"
    body = studio.make("noise.png", "-f", "lavfi", "-i", noise, "-frames:v", "1").read_bytes()
    uri = "data:image/png;base64," + b64encode(body).decode()
    assert len(uri) > 64 * 1024

    ran = run_command(imports, "--url", "-", stdin=uri)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_source_of_the_first_import_in_the_docs_is_a_picture(imports: Imports, page: str) -> None:
    (uri,) = re.findall(r'source: \{url: "(.*?)"\}', (ROOT / page).read_text())

    ran = run_command(imports, "--url", uri)

    assert ran.returncode == 0, ran.stderr
    result = Result.model_validate_json(ran.stdout)
    assert result.asset is not None
    assert result.asset.kind == "image"
    assert result.thumbnail is not None


def test_data_uri_beyond_the_commands_limit_is_refused(imports: Imports) -> None:
    ran = run_command(imports, "--url", "-", stdin="data:image/png;base64," + "A" * 10_000_000)

    assert ran.returncode == 1
    assert "longer than 10000000" in ran.stderr


def test_invalid_option_is_reported_in_one_line(imports: Imports) -> None:
    ran = run_command(imports, "--url", "ftp://example.org/x")

    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "url" in ran.stderr


def test_command_blocks_the_addresses_that_a_job_blocks(imports: Imports, sources: Sources) -> None:
    ran = run_command(imports, "--url", f"http://127.0.0.1:{sources.port}/")

    assert ran.returncode == 11
    assert Result.model_validate_json(ran.stdout).reason is Reason.SOURCE_BLOCKED
