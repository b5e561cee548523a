from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from dev.cluster import exports
from dev.cluster.errors import ClusterError
from dev.cluster.images import project
from dev.cluster.node import certificates

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache

FOREIGN = {name: f"my {name}" for name in exports.VARIABLES}
IMAGES = {name: f"registry/{name}:1" for name in exports.IMAGE_VARIABLES}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    project.record(IMAGES, tmp_path)
    return tmp_path


@pytest.fixture
def filled(cache: Cache) -> Cache:
    cache.scratch.mkdir(parents=True)
    certificates.make(cache)
    return cache


def test_a_shell_reads_back_what_was_written() -> None:
    awkward = 'it\'s $HOME; `ls` "now"\nand then'
    script = exports.shell_lines({"AWKWARD": awkward}) + '\nprintf %s "$AWKWARD"'
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout == awkward


def test_no_kubeconfig_means_our_cluster(cache: Cache) -> None:
    assert not exports.is_foreign({}, cache)
    assert not exports.is_foreign({"KUBECONFIG": ""}, cache)


def test_kubeconfig_that_we_exported_is_still_our_cluster(cache: Cache) -> None:
    assert not exports.is_foreign({"KUBECONFIG": str(cache.kubeconfig)}, cache)


def test_any_other_kubeconfig_is_a_cluster_of_the_callers(cache: Cache) -> None:
    assert exports.is_foreign({"KUBECONFIG": "/home/ada/.kube/config"}, cache)


def test_foreign_cluster_is_described_by_the_caller() -> None:
    assert exports.of_foreign_cluster({**FOREIGN, "HOME": "/home/ada"}) == FOREIGN


def test_missing_variables_of_a_foreign_cluster_are_named_in_one_sentence() -> None:
    incomplete = {name: value for name, value in FOREIGN.items() if name not in {"MEDIAIMPORT_IMAGE", "S3_REGION"}}
    with pytest.raises(ClusterError, match=r"these variables too: MEDIAIMPORT_IMAGE, S3_REGION$"):
        exports.of_foreign_cluster(incomplete)


def test_public_store_needs_neither_endpoint_nor_authority() -> None:
    public = {name: value for name, value in FOREIGN.items() if name not in {"S3_ENDPOINT_URL", "S3_CA_BUNDLE"}}
    assert exports.of_foreign_cluster(public) == public


def test_our_cluster_sets_every_variable(filled: Cache, checkout: Path) -> None:
    described = exports.of_our_cluster({"PATH": "/usr/bin"}, filled, checkout)
    assert tuple(described) == exports.VARIABLES
    assert described["KUBECONFIG"] == str(filled.kubeconfig)
    assert described["MEDIAIMPORT_FFMPEG_IMAGE"] == "registry/mediaimport-ffmpeg:1"


def test_our_programs_come_first_on_the_path_and_once(filled: Cache, checkout: Path) -> None:
    path = f"/usr/bin:{filled.bin}:/bin"
    assert exports.of_our_cluster({"PATH": path}, filled, checkout)["PATH"] == f"{filled.bin}:/usr/bin:/bin"


def test_cluster_that_was_never_made_is_said(cache: Cache, checkout: Path) -> None:
    with pytest.raises(ClusterError, match="make up"):
        exports.of_our_cluster({}, cache, checkout)


def test_checkout_without_an_up_is_an_error(filled: Cache, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="make up"):
        exports.of_our_cluster({}, filled, tmp_path / "another checkout")
