"""Resource definition of imports, for benchmarks that install no release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api import names

from dev.cluster.cache import CHECKOUT

if TYPE_CHECKING:
    from dev.cluster.kubectl import Kube

_DEFINITION = CHECKOUT / "crds" / "mediaimports.yaml"


def define_imports(kube: Kube) -> None:
    """Create the resource definition if no release has, and wait until the API server serves it."""
    name = f"{names.PLURAL}.{names.GROUP}"
    if not kube.kubectl("get", "customresourcedefinition", name, "--ignore-not-found", "--output=name"):
        kube.kubectl("create", "-f", str(_DEFINITION))
    kube.kubectl("wait", "-f", str(_DEFINITION), "--for=condition=Established", "--timeout=60s")
