"""Releases of the chart on a development cluster, with values for the local store and the stand-in for Replicate."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.cluster.cache import CHECKOUT
from tests.support.replicate.settings import API_TOKEN, WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.kubectl import Kube
    from tests.support.replicate.manifest import StandIn

Values = dict[str, Any]

CHART = CHECKOUT / "charts" / "mediaimport"
DEFINITION = "mediaimports.mediaimport.dev"
TIMEOUT = "180s"


@dataclass(frozen=True)
class Installation:
    """Release of the chart; its name is the prefix of its objects' names."""

    kube: Kube
    namespace: str = "mediaimport"
    release: str = "mediaimport"

    @property
    def webhook(self) -> str:
        """Service of the webhook, for `kubectl port-forward`."""
        return f"service/{self.release}-webhook"

    @property
    def webhook_url(self) -> str:
        """URL of the webhook inside the cluster."""
        return f"http://{self.release}-webhook.{self.namespace}.svc"

    def first_token(self) -> str:
        """Return the token that the chart generated."""
        secret = self.kube.get("secret", f"{self.release}-first-token", namespace=self.namespace)
        return base64.b64decode(secret["data"]["token"]).decode()


def install(  # noqa: PLR0913 - as the command's options
    installation: Installation,
    environment: Mapping[str, str],
    *,
    replicate: StandIn,
    values: Values | None = None,
    adopt: bool = True,
    chart: Path = CHART,
) -> None:
    """Install or upgrade the release and wait until it is ready.

    `environment`: images and store, as dev.cluster has them. `values` override the values derived from it. `adopt`:
    take the resource definition over from another release. `chart`: a folder or an archive.
    """
    kube, namespace = installation.kube, installation.namespace
    chosen = merged(values_of(environment, installation, replicate), values or {})
    kube.apply([_namespace(namespace)])
    adoption = ownership(kube) if adopt else ()
    options = ("--namespace", namespace, "--values", "-", *adoption, "--wait", "--timeout", TIMEOUT)
    kube.helm("upgrade", "--install", installation.release, str(chart), *options, given=json.dumps(chosen))


def other_owner(installation: Installation) -> str | None:
    """Return who else the resource definition belongs to, as a text; None if nobody: Helm then needs no option."""
    found = installation.kube.kubectl("get", "crd", DEFINITION, "--ignore-not-found", "--output", "json")
    if not found:
        return None
    annotations = json.loads(found)["metadata"].get("annotations", {})
    release, namespace = (annotations.get(f"meta.helm.sh/release-{each}", "") for each in ("name", "namespace"))
    if (release, namespace) == (installation.release, installation.namespace):
        return None
    return f"the release {release} in {namespace}" if release else "no release"


def ownership(kube: Kube) -> tuple[str, ...]:
    """Return the options that adopt a resource definition that another release or a person has created."""
    server_side = kube.helm("version", "--template", "{{.Version}}").startswith("v4")
    return ("--take-ownership", "--force-conflicts") if server_side else ("--take-ownership",)


def values_of(environment: Mapping[str, str], installation: Installation, replicate: StandIn) -> Values:
    """Return the values for the local store and the stand-in."""
    to_replicate = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": replicate.namespace}}}
    return {
        "fullnameOverride": installation.release,
        "image": image_values(environment["MEDIAIMPORT_IMAGE"]),
        "proberImage": image_values(environment["MEDIAIMPORT_FFMPEG_IMAGE"]),
        "s3": _store(environment),
        "source": {"allowedNetworks": [f"{replicate.address}/32"]},
        "replicate": {
            "baseUrl": replicate.url,
            "apiToken": API_TOKEN,
            "webhookSecrets": [WEBHOOK_SECRET],
        },
        "webhook": {
            "publicUrl": installation.webhook_url,
            # Several releases share the stand-in here, and each would recover the others' predictions.
            "recovery": {"schedule": "0 0 1 1 *"},
        },
        "networkPolicy": {
            "importerExtraEgress": [{"to": [to_replicate]}],
            "webhookExtraEgress": [{"to": [to_replicate]}],
        },
    }


def _store(environment: Mapping[str, str]) -> Values:
    endpoint, bundle = environment.get("S3_ENDPOINT_URL", ""), environment.get("S3_CA_BUNDLE")
    return {
        "bucket": environment["S3_BUCKET_NAME"],
        "region": environment["S3_REGION"],
        "endpointUrl": endpoint,
        "addressingStyle": "path" if endpoint else "auto",
        "accessKeyId": environment["S3_ACCESS_KEY_ID"],
        "secretAccessKey": environment["S3_SECRET_ACCESS_KEY"],
        "caBundle": Path(bundle).read_text() if bundle else "",
    }


def image_values(reference: str) -> Values:
    """Return an image's values: `host:5000/name:tag`, `name` or `name@sha256:…`."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    return {"repository": head, "tag": tag, "digest": digest}


def merged(values: Values, overrides: Values) -> Values:
    """Return the values with those of `overrides` in their places, as Helm merges them."""
    both = {
        key: merged(values[key], value) if isinstance(value, dict) and isinstance(values.get(key), dict) else value
        for key, value in overrides.items()
    }
    return values | both


def _namespace(name: str) -> Values:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
