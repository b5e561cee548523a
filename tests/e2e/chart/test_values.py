"""Every leaf of the values' schema has an effect on the manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.installation.helm import CHART, merged
from tests.support.installation.value_samples import Leaf, leaves

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart

Values = dict[str, Any]
NOT_SAMPLED = {
    "enabled": "a parent chart's condition for its dependency",
    "monitoring.rules.disabled": "it removes alerts: test_monitoring.py",
}
REPLACED = {
    # Each replaces, or contradicts, one of the other values.
    *("image.digest", "proberImage.digest", "global.imageRegistry"),
    *("s3.existingSecret", "auth.existingSecret", "replicate.existingSecret", "fal.existingSecret"),
    "importer.serviceAccount.annotations",
}
REPLACED_SECTIONS = ("monitoring.podMonitor.", "webhook.autoscaling.")
IMAGES = {"image": {"repository": "a.example/a"}, "proberImage": {"repository": "a.example/b"}}
ENABLED: Values = merged(
    IMAGES,
    {
        "s3": {"bucket": "media", "endpointUrl": "https://store.example.com"},
        "auth": {"oidc": {"issuer": "https://login.example.com", "audience": "media"}},
        "webhook": {
            "ingress": {"enabled": True, "host": "media.example.com"},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
        },
        "events": {"userEndpoints": {"enabled": True}},
        "monitoring": {each: {"enabled": True} for each in ("serviceMonitor", "rules", "dashboard")},
    },
)
"""Values under which the first group of samples has an effect."""
OTHERS: Values = merged(
    ENABLED,
    {
        "auth": {"oidc": {"issuer": "", "audience": ""}},
        "monitoring": {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}},
        "webhook": {"autoscaling": {"enabled": True}},
    },
)
"""Values under which the second group has an effect."""
CHOSEN = merged(
    ENABLED,
    {
        "replicate": {"apiToken": "t"},
        "s3": {"accessKeyId": "k", "secretAccessKey": "s"},
        "watchNamespaces": ["default", "a"],
    },
)
"""Values under which booleans and enums have an effect."""
CONTRADICTING: dict[str, Values] = {
    "webhook.enabled": {
        "webhook": {"ingress": {"enabled": False}, "httpRoute": {"enabled": False}},
        "events": {"userEndpoints": {"enabled": False}},
    },
    "auth.mode": {"auth": {"oidc": {"issuer": "", "audience": ""}}},
    "monitoring.podMonitor.enabled": {"monitoring": {"serviceMonitor": {"enabled": False}}},
}
"""Values that the other choice needs."""


def nested(leaf: Leaf, value: object) -> Values:
    for key in reversed(leaf.path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def rendered(chart: Chart, values: str) -> str:
    """Return the manifests without checksums, which change with every value."""
    text = chart.kube.helm("template", "mi", str(CHART), "--values", "-", given=values)
    return "\n".join(line for line in text.splitlines() if "checksum/" not in line)


def without_effect(chart: Chart, values: Values, group: list[Leaf]) -> list[str]:
    """Return the leaves whose samples, all set at once, are in no manifest."""
    for each in group:
        values = merged(values, nested(each, each.sample()[0]))
    text = rendered(chart, json.dumps(values))
    return [each.name for each in group if each.sample()[1] not in text]


def is_replaced(leaf: Leaf) -> bool:
    return leaf.name in REPLACED or leaf.name.startswith(REPLACED_SECTIONS)


SAMPLED = [each for each in leaves() if not each.choices and each.name not in NOT_SAMPLED]
CHOICES = [each for each in leaves() if each.choices and each.name not in NOT_SAMPLED]


def test_every_text_and_number_is_in_a_manifest(chart: Chart) -> None:
    group = [each for each in SAMPLED if not is_replaced(each)]
    assert len(group) > 140
    assert without_effect(chart, ENABLED, group) == []


def test_every_value_that_replaces_another_is_in_a_manifest(chart: Chart) -> None:
    group = [each for each in SAMPLED if is_replaced(each)]
    assert without_effect(chart, OTHERS, group) == []


@pytest.mark.parametrize("leaf", CHOICES, ids=lambda leaf: leaf.name)
def test_every_choice_changes_a_manifest(chart: Chart, leaf: Leaf) -> None:
    base = merged(CHOSEN, CONTRADICTING.get(leaf.name, {}))
    texts = [rendered(chart, json.dumps(merged(base, nested(leaf, choice)))) for choice in leaf.choices]
    assert len(set(texts)) > 1
