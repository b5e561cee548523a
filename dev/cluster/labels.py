"""Which state of the sources an image was made of, as the labels that the OCI names for it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from dev.cluster.commands import output
from dev.cluster.errors import CommandFailedError

REVISION = "org.opencontainers.image.revision"
CREATED = "org.opencontainers.image.created"
CHANGED = "-dirty"


def labels(checkout: Path, sources: Iterable[str]) -> dict[str, str]:
    """Return the last commit of these sources and its time: the same, whenever it is built. Empty without git."""
    if not shutil.which("git"):
        return {}
    git, paths = ("git", "-C", checkout), ("--", *sources)
    try:
        revision, created = output((*git, "log", "-1", "--format=%H %cI", *paths)).split()
        changed = output((*git, "status", "--porcelain", *paths))
    except (CommandFailedError, ValueError):  # no checkout, or one without a commit of these
        return {}
    return {REVISION: revision + (CHANGED if changed else ""), CREATED: created}
