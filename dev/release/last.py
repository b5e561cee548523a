"""`python -m dev.release.last [REVISION]`: build a release that exists already, for the upgrade test.

The revision is the newest tag `v…` unless one is given. The images are built and pushed as those of `make up`; the
chart's archive and the images' names go to build/last-release.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dev.cluster
from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.commands import output
from dev.cluster.errors import ClusterError, CommandFailedError
from dev.cluster.exports import is_foreign
from dev.cluster.images import base, project
from dev.cluster.images.buildah import Buildah

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = CHECKOUT / "build" / "last-release"
_IMAGES = tuple(each for each in project.IMAGES if each.dockerfile == "Dockerfile")


@dataclass(frozen=True)
class LastRelease:
    """A release as it was: its chart's archive, and its images by the names of their targets."""

    revision: str
    chart: Path
    images: dict[str, str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> LastRelease:
        """Return what was built last; ClusterError before that."""
        record = folder / "release.json"
        if not record.exists():
            raise ClusterError("no earlier release is built: run `python -m dev.release.last`")
        about = json.loads(record.read_text())
        return cls(about["revision"], folder / about["chart"], about["images"])


def newest_tag(checkout: Path = CHECKOUT) -> str:
    """Return the newest tag of a version before the commit that is checked out; ClusterError if there is none."""
    try:
        return output(
            ("git", "-C", checkout, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
        ).strip()
    except CommandFailedError as error:
        raise ClusterError("no commit has a version's tag: name a commit instead (RELEASE=…)") from error


def extract(revision: str, folder: Path, checkout: Path = CHECKOUT) -> None:
    """Write the files of a revision to a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ("git", "-C", checkout, "archive", "--format=tar", revision), check=True, stdout=subprocess.PIPE
    )
    subprocess.run(("tar", "--extract", "--directory", folder), check=True, input=archive.stdout)


def build(revision: str) -> LastRelease:
    """Build and push the images that the registry lacks, and package the chart."""
    cache = Cache.of(os.environ)
    if is_foreign(os.environ, cache):
        raise ClusterError("an earlier release is built for the cluster of `make up` alone: unset KUBECONFIG")
    with cache.locked():
        files = cache.scratch / "release"
        extract(revision, files)
        references = _images(cache, project.Context(files))
        chart = _packaged(files / "charts/mediaimport")
    about = {"revision": revision, "chart": chart.name, "images": references}
    (FOLDER / "release.json").write_text(json.dumps(about, indent=1) + "\n")
    return LastRelease.read()


def _images(cache: Cache, context: project.Context) -> dict[str, str]:
    references = {image.name: context.reference(image) for image in _IMAGES}
    lacking = [name for name, reference in references.items() if not project.is_pushed(cache, reference)]
    if lacking:
        buildah = Buildah.at(cache)
        buildah.clean()
        base.store_debian(cache, buildah)
        project.push_all(cache, [project.built(name, context, buildah) for name in lacking], buildah)
    project.mark_used(cache, references.values())
    return references


def _packaged(chart: Path) -> Path:
    """Return the chart's archive."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    environment = os.environ | dev.cluster.environment()
    subprocess.run(("helm", "package", chart, "--destination", FOLDER), check=True, env=environment)
    (archive,) = FOLDER.glob("*.tgz")
    return archive


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    release = build(arguments[0] if arguments else newest_tag())
    print(f"{release.revision}: {release.chart.name}, {', '.join(sorted(release.images.values()))}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ClusterError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
