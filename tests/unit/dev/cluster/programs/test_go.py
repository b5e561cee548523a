from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from dev.cluster.cache import CHECKOUT
from dev.cluster.errors import CannotRunHereError, ClusterError
from dev.cluster.programs import go
from dev.cluster.programs.go import KUBERNETES, KWOK, NEEDED, OLDEST, ON_REQUEST, TOXIPROXY, VERSITYGW

if TYPE_CHECKING:
    from dev.cluster.cache import Cache

FILES = [b"module a", b"a v1 h1:x"]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a compiler on PATH that writes its variables as the program `kubernetes`."""
    folder = tmp_path / "go"
    folder.mkdir()
    program = folder / "go"
    program.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nenv > "$2"kubernetes\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def key(
    *, files: list[bytes] = FILES, go_version: str = "go1.26.8\namd64", arguments: tuple[str, ...] = ("-s",)
) -> str:
    return go.key(files, go_version=go_version, arguments=arguments)


def test_key_is_the_same_for_the_same() -> None:
    assert key() == key(files=list(FILES))


def test_key_changes_with_all_that_goes_into_a_program() -> None:
    others = {
        key(files=[b"module b", b"a v1 h1:x"]),
        key(files=[b"module a", b"a v1 h1:y"]),
        key(files=[b"module aa v1", b" h1:x"]),
        key(go_version="go1.26.9\namd64"),
        key(go_version="go1.26.8\narm64"),
        key(arguments=("-w",)),
    }
    assert len(others) == 6
    assert key() not in others


def test_key_does_not_depend_on_where_the_cache_is(cache: Cache, tmp_path: Path) -> None:
    elsewhere = type(cache)(tmp_path / "elsewhere")
    assert go.home(VERSITYGW, cache, go_version="1").name == go.home(VERSITYGW, elsewhere, go_version="1").name


def test_kubernetes_is_stamped_with_its_version() -> None:
    flags = KUBERNETES.build_arguments("/out")[KUBERNETES.build_arguments("/out").index("-ldflags") + 1]
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags


@pytest.mark.parametrize("module", [KUBERNETES, OLDEST], ids=lambda module: module.name)
def test_stamp_is_the_version_of_go_mod(module: go.Module) -> None:
    locked = re.search(r"k8s\.io/kubernetes (v[\d.]+)", (module.folder / "go.mod").read_text())
    assert locked
    assert f"-X k8s.io/component-base/version.gitVersion={locked[1]} " in module.link_flags


def test_oldest_version_is_the_one_that_the_chart_promises() -> None:
    chart = yaml.safe_load((CHECKOUT / "charts" / "mediaimport" / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={go.OLDEST_MINOR}.0-0"
    assert f"gitVersion=v{go.OLDEST_MINOR}." in OLDEST.link_flags


def test_oldest_kubernetes_is_compiled_on_request_only() -> None:
    assert go.needed({}) == NEEDED
    assert go.needed({go.VARIABLE: "1.33"}) == (*NEEDED, OLDEST)
    with pytest.raises(ClusterError, match=r"no Kubernetes 1\.20 .*1\.33"):
        go.needed({go.VARIABLE: "1.20"})


def test_program_whose_package_has_another_name_gets_its_own() -> None:
    package = "github.com/Shopify/toxiproxy/v2/cmd/server"
    assert TOXIPROXY.build_arguments("/out")[-2:] == ["/out/toxiproxy", package]
    assert KWOK.build_arguments("/out")[-2:] == ["/out/", "tool"]


def test_kubernetes_is_one_program_called_by_the_names_of_five() -> None:
    for module in (KUBERNETES, OLDEST):
        assert module.build_arguments("/out")[-1] == "./cmd/..."
        main = (module.folder / "cmd" / "kubernetes" / "main.go").read_text()
        assert set(module.links) == set(re.findall(r'^\t"([a-z-]+)": ', main, re.MULTILINE))


@pytest.mark.usefixtures("compiler")
def test_links_are_made_next_to_the_compiled_program(cache: Cache) -> None:
    cache.scratch.mkdir(parents=True)
    home = go.build(KUBERNETES, cache, go_version="1")
    assert (home / "kubelet").read_text() == (home / "kubernetes").read_text()
    assert (home / "kubelet").readlink().name == "kubernetes"


@pytest.mark.usefixtures("compiler")
def test_all_that_go_downloads_and_compiles_is_in_the_cache_folder(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOCACHE", "GOMODCACHE", "GOPATH"):
        monkeypatch.setenv(name, "/home/ada/go")
    monkeypatch.setenv("GOFLAGS", "-buildvcs=false")
    cache.scratch.mkdir(parents=True)
    written = (go.build(KUBERNETES, cache, go_version="1") / "kubernetes").read_text()
    variables = dict(line.split("=", 1) for line in written.splitlines() if "=" in line)
    for name in ("GOCACHE", "GOMODCACHE", "GOPATH", "GOTMPDIR"):
        assert Path(variables[name]).is_relative_to(cache.root)
    assert variables["GOFLAGS"] == "-buildvcs=false -modcacherw"


def test_key_of_a_module_changes_with_a_program_in_a_folder_of_it(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = go.home(KUBERNETES, cache, go_version="1")
    shutil.copytree(go.MODULES / "kubernetes", tmp_path / "kubernetes")
    monkeypatch.setattr(go, "MODULES", tmp_path)
    assert go.home(KUBERNETES, cache, go_version="1") == former
    main = tmp_path / "kubernetes" / "cmd" / "coredns" / "main.go"
    main.write_text(main.read_text() + "// changed\n")
    assert go.home(KUBERNETES, cache, go_version="1") != former


def test_every_module_is_pinned_with_checksums() -> None:
    for module in (*NEEDED, OLDEST, *ON_REQUEST):
        assert (module.folder / "go.mod").read_text().startswith("module ")
        assert " h1:" in (module.folder / "go.sum").read_text()


def test_module_that_is_built_is_not_built_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    built = go.home(VERSITYGW, cache, go_version="1")
    built.mkdir(parents=True)
    monkeypatch.setenv("PATH", "")  # no compiler to be found
    assert go.build(VERSITYGW, cache, go_version="1") == built


def test_missing_go_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotRunHereError, match=r"install Go 1\.26 .* KUBECONFIG"):
        go.go_version()


def test_use_of_programs_is_recorded(cache: Cache) -> None:
    built = go.home(VERSITYGW, cache, go_version="1")
    built.mkdir(parents=True)
    os.utime(built, (0, 0))
    go.build(VERSITYGW, cache, go_version="1")
    assert built.stat().st_mtime > 0
