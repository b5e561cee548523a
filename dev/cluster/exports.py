"""Environment variables that point a shell, a test or the demo at the cluster."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.errors import ClusterError
from dev.cluster.images.project import recorded
from dev.cluster.node.s3 import BUCKET, REGION, S3Keys

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE_VARIABLES = {
    "mediaimport": "MEDIAIMPORT_IMAGE",
    "mediaimport-ffmpeg": "MEDIAIMPORT_FFMPEG_IMAGE",
    "mediaimport-dev": "MEDIAIMPORT_DEV_IMAGE",
    "mediaimport-postgresql": "MEDIAIMPORT_POSTGRESQL_IMAGE",
}
VARIABLES = (
    *("KUBECONFIG", "PATH"),
    *IMAGE_VARIABLES.values(),
    *("S3_ENDPOINT_URL", "S3_BUCKET_NAME", "S3_REGION", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_CA_BUNDLE"),
)
# A public S3 endpoint needs neither of them.
_OPTIONAL = {"S3_ENDPOINT_URL", "S3_CA_BUNDLE"}


def is_foreign(environ: Mapping[str, str], cache: Cache) -> bool:
    """Tell whether KUBECONFIG names another cluster than the one of `make up`."""
    named = environ.get("KUBECONFIG", "")
    return bool(named) and Path(named).resolve() != cache.kubeconfig


def environment() -> dict[str, str]:
    """Return the variables, of our cluster or of the one that KUBECONFIG names."""
    cache = Cache.of(os.environ)
    return of_foreign_cluster(os.environ) if is_foreign(os.environ, cache) else of_our_cluster(os.environ, cache)


def of_foreign_cluster(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's own variables; raise with a sentence that names the missing ones."""
    missing = [name for name in VARIABLES if name not in _OPTIONAL and not environ.get(name)]
    if missing:
        raise ClusterError(f"KUBECONFIG names a cluster of yours: set these variables too: {', '.join(missing)}")
    return {name: environ[name] for name in VARIABLES if environ.get(name)}


def of_our_cluster(environ: Mapping[str, str], cache: Cache, checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return the variables of the cluster that `up` started from this checkout; ClusterError before that."""
    images = recorded(checkout)
    if not (images and cache.kubeconfig.exists()):
        raise ClusterError("there is no cluster yet: run `make up`")
    keys = S3Keys.read(cache)
    return {
        "KUBECONFIG": str(cache.kubeconfig),
        "PATH": _prepended(str(cache.bin), environ.get("PATH", "")),
        **{variable: images[name] for name, variable in IMAGE_VARIABLES.items()},
        "S3_ENDPOINT_URL": f"https://{addresses.S3}",
        "S3_BUCKET_NAME": BUCKET,
        "S3_REGION": REGION,
        "S3_ACCESS_KEY_ID": keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": keys.secret_access_key,
        "S3_CA_BUNDLE": str(cache.pki / "ca.crt"),
    }


def shell_lines(variables: Mapping[str, str]) -> str:
    """Return lines for a shell to evaluate."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _prepended(folder: str, path: str) -> str:
    return ":".join([folder, *(part for part in path.split(":") if part and part != folder)])
