"""`dev/cluster/machine.sh`, the first step of `make up`, run with programs that tell of another machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dev.cluster.cache import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Folder for PATH of a machine that can run the cluster: Linux, root, with Python and Go."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, lines in {
        "uname": "echo Linux",
        "id": "echo 0",
        "go": "",
        "python3": f'exec {sys.executable} "$@"',
    }.items():
        answer(folder, name, lines)
    return folder


def answer(folder: Path, name: str, lines: str) -> None:
    (folder / name).write_text(f"#!{shutil.which('sh')}\n{lines}\n")
    (folder / name).chmod(0o755)


def check(machine: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": str(machine), "HOME": str(machine.parent), **environ}
    command = [shutil.which("sh") or "sh", str(CHECKOUT / "dev" / "cluster" / "machine.sh")]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_machine_that_can_run_it_is_passed_in_silence(machine: Path) -> None:
    done = check(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "lines", "sentence"),
    [
        ("id", "echo 1000", "you are not root"),
        ("uname", "echo Darwin", "this is Darwin"),
        ("go", None, "Go is not on PATH"),
        ("go", "echo go version go1.19.8 linux/amd64", "Go is too old (go version go1.19.8 linux/amd64)"),
        ("go", "echo go version go1.20 linux/amd64", "Go is too old"),
        ("go", "echo go version go1.9.7 linux/amd64", "Go is too old"),
    ],
)
def test_machine_that_cannot_is_refused_in_one_sentence_with_the_way_out(
    machine: Path, name: str, lines: str | None, sentence: str
) -> None:
    if lines is None:
        (machine / name).unlink()
    else:
        answer(machine, name, lines)
    done = check(machine)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "KUBECONFIG" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("version", ["go1.21.0", "go1.26", "go1.100.2", "go2.0", "devel go1.28-3b2a"])
def test_go_that_downloads_newer_versions_is_passed(machine: Path, version: str) -> None:
    answer(machine, "go", f"echo go version {version} linux/amd64")
    assert check(machine).returncode == 0


def test_python_without_venv_is_refused_with_the_package_to_install(machine: Path) -> None:
    answer(machine, "python3", "exit 1")
    done = check(machine)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_cluster_of_the_callers_needs_neither_root_nor_go(machine: Path) -> None:
    answer(machine, "id", "echo 1000")
    (machine / "go").unlink()
    assert check(machine, KUBECONFIG=str(machine.parent / "config")).returncode == 0


def test_kubeconfig_of_our_own_cluster_is_no_other_cluster(machine: Path) -> None:
    answer(machine, "id", "echo 1000")
    own = machine.parent / "cache" / "mediaimport" / "pki" / "admin.kubeconfig"
    done = check(machine, KUBECONFIG=str(own), XDG_CACHE_HOME=str(machine.parent / "cache"))
    assert "you are not root" in done.stderr


def test_refusal_comes_before_the_python_environment_is_set_up(machine: Path) -> None:
    answer(machine, "id", "echo 1000")
    for name in ("make", "bash", "sh"):
        answer(machine, name, f'exec {shutil.which(name)} "$@"')
    done = subprocess.run(
        [machine / "make", "demo", f"VENV={machine.parent / 'venv'}", "PY=false"],
        cwd=CHECKOUT,
        env={"PATH": str(machine), "HOME": str(machine.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "you are not root" in done.stderr
    assert "setting up" not in done.stderr
    assert not (machine.parent / "venv").exists()
