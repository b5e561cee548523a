"""Chart as Helm renders it, without a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from dev.cluster.kubectl import Kube

Object = dict[str, Any]
IMAGES = (
    "image.repository=registry.example.com/mediaimport",
    "proberImage.repository=registry.example.com/mediaimport-ffmpeg",
)
"""The settings that every installation needs besides a bucket."""


@dataclass(frozen=True)
class Chart:
    """The chart as Helm renders it, without an installation."""

    kube: Kube

    namespace: str = "own"

    def text(self, *settings: str, bucket: str = "media") -> str:
        """Return the manifests for settings such as `s3.region=here`; KubeError with Helm's refusal."""
        chosen = [*IMAGES, *([f"s3.bucket={bucket}"] if bucket else []), *settings]
        options = [option for setting in chosen for option in ("--set", setting)]
        return self.kube.helm("template", "mi", str(CHART), "--namespace", self.namespace, *options)

    def objects(self, *settings: str) -> list[Object]:
        """Return the manifests."""
        return [each for each in yaml.safe_load_all(self.text(*settings)) if each]

    def of(self, kind: str, *settings: str) -> list[Object]:
        """Return the manifests of a kind."""
        return [each for each in self.objects(*settings) if each["kind"] == kind]

    def rules(self, *settings: str) -> Object:
        """Return the alerts."""
        (rule,) = self.of("PrometheusRule", "monitoring.rules.enabled=true", *settings)
        spec: Object = rule["spec"]
        return spec

    def deployment(self, component: str, *settings: str) -> Object:
        """Return the Deployment of the operator or of the webhook."""
        (found,) = [
            each for each in self.of("Deployment", *settings) if each["metadata"]["name"].endswith(f"-{component}")
        ]
        return found

    def variables(self, component: str, *settings: str) -> dict[str, str]:
        """Return the environment variables of a Deployment that have a value."""
        (container,) = self.deployment(component, *settings)["spec"]["template"]["spec"]["containers"]
        return {each["name"]: each["value"] for each in container["env"] if "value" in each}
