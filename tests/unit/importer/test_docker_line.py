"""The README's line for `docker run`: what follows the image, run by this Python, or by the image's in its root."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api.result import Result

if TYPE_CHECKING:
    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

README = Path(__file__).resolve().parents[3] / "README.md"
FILM = "https://media.w3.org/2010/05/sintel/trailer.mp4"
KEYS = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")


def docker_line() -> tuple[list[str], list[str]]:
    """Return Docker's own options and image, and the arguments of the entry point."""
    (line,) = re.findall(r"^docker run (?:.*\\\n)*.*", README.read_text(), re.MULTILINE)
    words = shlex.split(line.replace("\\\n", " "))
    image = next(number for number, word in enumerate(words) if word.startswith("registry.example.com/"))
    return words[: image + 1], words[image + 1 :]


def test_docker_line_imports_with_the_keys_of_the_shell(sources: Sources, studio: Studio, store: Store) -> None:
    docker, arguments = docker_line()
    url = sources.file(studio.video())
    here = {FILM: url, "YOUR-BUCKET": store.variables()["S3_BUCKET_NAME"], "eu-central-1": "us-east-1"}
    allowed = ["--allow-network", "127.0.0.0/8", "--allow-port", str(sources.port)]
    passed_on = {docker[number + 1] for number, word in enumerate(docker) if word == "--env"}
    # The store of the line is AWS: this one has an address and a certificate of its own.
    server = {name: value for name, value in store.variables().items() if name not in {*KEYS, "S3_BUCKET_NAME"}}
    keys = {name: value for name, value in store.variables().items() if name in passed_on}

    ran = subprocess.run(
        [sys.executable, *(here.get(each, each) for each in arguments), *allowed],
        env=server | keys | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (docker[docker.index("--entrypoint") + 1], passed_on) == ("python", {*KEYS})
    assert set(here) < set(arguments)
    assert ran.returncode == 0, ran.stderr
    result = Result.model_validate_json(ran.stdout)
    assert result.description is not None
    assert result.description.described
    assert result.thumbnail is not None
    assert result.thumbnail.thumbnail is not None
