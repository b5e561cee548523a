"""Real servers, a real prober and real media for the importer's tests."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socketserver
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Owner
from mediaimport_api.task import Task
from mediaimport_importer.interruption import Interruption
from mediaimport_importer.prober import Prober
from mediaimport_importer.process import outcome
from mediaimport_importer.report import Report
from mediaimport_importer.settings import Settings
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.loopback.certificate import Certificate
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw
from tests.support.loopback.threads import running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mediaimport_api.result import Result
    from mypy_boto3_s3 import S3Client


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "trap(what, tried with, what comes of it): a row of docs/importer.md")
    config.addinivalue_line("markers", "attack(what, what came of it): a row of docs/importer.md")


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


# --- media -------------------------------------------------------------------------


@dataclass
class Studio:
    """Makes small media files with ffmpeg, each once."""

    folder: Path

    def make(self, name: str, *arguments: str) -> Path:
        """Return the file that ffmpeg makes of the arguments."""
        file = self.folder / name
        if not file.exists():
            unfinished = self.folder / f"unfinished-{name}"
            command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, str(unfinished)]
            subprocess.run(command, check=True, capture_output=True)
            unfinished.rename(file)
        return file

    def video(self, name: str = "plain.mp4", *, seconds: int = 2) -> Path:
        """Return an H.264 video with sound, 320 by 180, 24 frames a second."""
        return self.make(
            name, "-f", "lavfi", "-i", f"testsrc2=s=320x180:r=24:d={seconds}", "-f", "lavfi", "-i",
            f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            "-movflags", "+faststart",
        )  # fmt: skip

    def image(self, name: str = "plain.png", *, size: str = "320x180") -> Path:
        """Return a still image."""
        return self.make(name, "-f", "lavfi", "-i", f"testsrc2=s={size}:d=1", "-frames:v", "1")

    def audio(self, name: str = "plain.mp3") -> Path:
        """Return a sound of two seconds."""
        return self.make(name, "-f", "lavfi", "-i", "sine=d=2")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    if shutil.which("ffmpeg") is None:
        pytest.fail("ffmpeg is not installed: apt-get install ffmpeg")
    return Studio(tmp_path_factory.mktemp("media"))


# --- the prober --------------------------------------------------------------------


@dataclass(frozen=True)
class RunningProber:
    """The prober's process, its socket, and the directory that it may read."""

    process: subprocess.Popen[str]
    socket: Path
    scratch: Path

    @property
    def client(self) -> Prober:
        """Return the importer's side of the socket."""
        return Prober(self.socket, start_s=5)

    def take(self, file: Path) -> str:
        """Copy a file to where the prober reads; return its name there."""
        name = f"file-{uuid4().hex[:12]}"
        shutil.copyfile(file, self.scratch / name)
        return name


@contextlib.contextmanager
def running_prober(folder: Path) -> Iterator[RunningProber]:
    """Run the prober on a directory below the folder."""
    scratch, path = folder / "scratch", folder / "prober.sock"
    scratch.mkdir()
    command = [sys.executable, "-m", "mediaimport_prober"]
    environment = {"SCRATCH_DIRECTORY": str(scratch), "PROBER_SOCKET": str(path), "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        try:
            yield RunningProber(process, path, scratch)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def prober(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProber]:
    with running_prober(tmp_path_factory.mktemp("prober")) as running:
        yield running


# --- sources that misbehave ----------------------------------------------------------


@dataclass
class Conversation:
    """One request that a source got, and the way to answer it."""

    connection: socket.socket
    request: str

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.sendall(data)

    def answer(self, body: bytes = b"", *, status: str = "200 OK", **headers: str) -> None:
        """Send a whole answer, of the body's length unless the headers say otherwise."""
        fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): each for name, each in headers.items()}
        head = "".join(f"{name}: {each}\r\n" for name, each in fields.items() if each)
        self.send(f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@dataclass
class Sources:
    """A server whose every path behaves as its script says."""

    port: int
    scripts: dict[str, Callable[[Conversation], None]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def add(self, script: Callable[[Conversation], None], *, query: str = "") -> str:
        """Return the URL that behaves so."""
        path = f"/{uuid4().hex[:12]}"
        self.scripts[path] = script
        return f"http://127.0.0.1:{self.port}{path}{query}"

    def file(self, file: Path, **headers: str) -> str:
        """Return the URL of a file."""
        return self.add(lambda conversation: conversation.answer(file.read_bytes(), **headers))


def _handler(sources: Sources) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in received:
                    part = self.request.recv(65536)
                    if not part:
                        return
                    received += part
                request = received.decode()
                sources.requests.append(request)
                path = request.split(" ")[1].partition("?")[0]
                sources.scripts[path](Conversation(self.request, request))

    return Handler


@pytest.fixture(scope="session")
def sources() -> Iterator[Sources]:
    """Sources on http://127.0.0.1."""
    made = Sources(0)
    with running(_Server(("127.0.0.1", 0), _handler(made))) as made.port:
        yield made


# --- whole imports --------------------------------------------------------------------


@dataclass
class Imports:
    """Runs attempts in this process against the real store and prober."""

    store: Store
    sources: Sources
    prober: RunningProber
    folder: Path

    def task(  # noqa: PLR0913 - what a test may vary
        self,
        url: str,
        *,
        asset_id: str | None = None,
        name: str = "clip",
        attempt: int = 1,
        run: str = "",
        max_size_bytes: int = 1 << 30,
        deadline_seconds: int = 60,
        **spec: Any,  # noqa: ANN401 - the fields of a spec
    ) -> Task:
        """Return an attempt at importing the URL."""
        return Task.model_validate(
            {
                "owner": Owner(namespace="media", name=name, uid="0d5b1f3e"),
                "asset_id": asset_id or str(uuid4()),
                "spec": {"source": {"url": url}} | spec,
                "run": run,
                "attempt": attempt,
                "max_size_bytes": max_size_bytes,
                "deadline_seconds": deadline_seconds,
            }
        )

    def variables(self, task: Task, **more: str) -> dict[str, str]:
        """Return the environment of an importer with that task."""
        return self.store.variables() | {
            "MEDIAIMPORT_TASK": json.dumps(task.to_wire()),
            "SOURCE_ALLOWED_NETWORKS": "127.0.0.0/8",
            "SOURCE_ALLOWED_PORTS": str(self.sources.port),
            "SCRATCH_DIRECTORY": str(self.prober.scratch),
            "PROBER_SOCKET": str(self.prober.socket),
            "TERMINATION_MESSAGE_PATH": str(self.folder / "termination-log"),
        } | more  # fmt: skip

    def settings(self, task: Task, **more: str) -> Settings:
        """Return those variables as the importer reads them."""
        return Settings.read(Environment(self.variables(task, **more)))

    def run(self, task: Task, **more: str) -> Result:
        """Return how the attempt ends."""
        self.log = io.StringIO()
        return outcome(self.settings(task, **more), Report(self.log), Interruption())

    def of(self, url: str, **options: Any) -> Result:  # noqa: ANN401 - those of `task`
        """Return how an import of that URL ends."""
        return self.run(self.task(url, **options))

    def stored(self, task: Task) -> dict[str, int]:
        """Return the names and sizes of what is stored under the task's keys."""
        prefix = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix
        listed = self.store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {each["Key"].removeprefix(prefix): each["Size"] for each in listed}

    def left_over(self) -> list[str]:
        """Return what is unfinished: multipart uploads and scratch files."""
        uploads = self.store.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [each["Key"] for each in uploads] + [each.name for each in self.prober.scratch.glob("attempt-*")]


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
