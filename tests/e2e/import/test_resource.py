"""Validation of the resource by the API server, with its messages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.installation.helm import CHART, ownership

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installation.world import World

URL = "https://example.com/video.mp4"
KEY = "incoming/default/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "spec.source: Required value"),
        ({"source": {}}, "source needs exactly one of url and store"),
        ({"source": {"url": URL, "store": {"key": KEY}}}, "source needs exactly one of url and store"),
        (
            {"source": {"store": {"key": KEY}}, "userId": "bob"},
            "source.store.key is not below incoming/ and the userId",
        ),
        ({"source": {"store": {"key": "media/default/x/video.mp4"}}}, "spec.source.store.key"),
        ({"source": {"store": {"key": "incoming/default/../bob/x"}}}, "spec.source.store.key"),
        (
            {"source": {"store": {"key": KEY}, "headersSecretRef": {"name": "x"}}},
            "source.headersSecretRef is for source.url",
        ),
        ({"source": {"url": "file:///etc/passwd"}}, "spec.source.url"),
        ({"source": {"url": "https://"}}, "spec.source.url"),
        ({"source": {"url": "https://a.b/" + "x" * 8200}}, "source.url is longer than 8192 characters"),
        ({"source": {"url": URL}, "userId": "../alice"}, "spec.userId"),
        ({"source": {"url": URL}, "type": "text"}, 'Unsupported value: "text"'),
        ({"source": {"url": URL}, "assetId": "1234"}, "spec.assetId"),
        ({"source": {"url": URL}, "tags": ["a", "a"]}, "Duplicate value"),
        ({"source": {"url": URL}, "limits": {"attempts": 0}}, "spec.limits.attempts"),
        ({"source": {"url": URL}, "expected": {"sha256": "abc"}}, "spec.expected.sha256"),
        ({"source": {"url": URL}, "ttlSecondsAfterFinished": 60}, "greater than or equal to 7200"),
        (
            {"source": {"url": URL, "expiresAt": "9999-12-31T23:59:59-01:00"}},
            "expiresAt is not between the years 1970 and",
        ),
        ({"source": {"url": URL}, "colour": "red"}, 'unknown field "spec.colour"'),
        ({"source": {"url": URL, "headersSecretRef": {"name": "X"}}}, "spec.source.headersSecretRef.name"),
    ],
)
def test_a_bad_spec_is_refused_with_a_sentence_that_names_the_field(
    world: World, spec: dict[str, object], sentence: str
) -> None:
    refusal = world.refused(world.manifest("bad", spec))
    assert sentence in refusal


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": {"url": URL + "?other"}}, "source"),
        ({"userId": "bob"}, "userId"),
        ({"tags": ["new"]}, "tags"),
        ({"metadata": {"a": {"b": 2}}}, "metadata"),
        ({"expected": {"sizeBytes": 1}}, "expected"),
    ],
)
def test_source_cannot_change_after_creation(
    world: World, suspended: str, change: dict[str, object], field: str
) -> None:
    refusal = world.patch_refused(suspended, {"spec": change})
    assert f"{field} cannot change after creation; create a new MediaImport" in refusal


def test_optional_field_cannot_be_removed(world: World, suspended: str) -> None:
    assert "metadata cannot change after creation" in world.patch_refused(suspended, {"spec": {"metadata": None}})


def test_mutable_fields_can_change(world: World, suspended: str) -> None:
    world.patch(suspended, {"spec": {"ttlSecondsAfterFinished": 7200}})
    world.patch(suspended, {"spec": {"ttlSecondsAfterFinished": None}})


def test_imports_are_selected_by_phase_and_user(world: World, suspended: str) -> None:
    world.wait_for_phase(suspended, "Suspended")
    selected = world.kubectl(
        "get", "mi", "-o", "name", "--field-selector", "status.phase=Suspended,spec.userId=default"
    )
    assert f"mediaimport.mediaimport.dev/{suspended}" in selected.split()
    assert not world.kubectl("get", "mi", "-o", "name", "--field-selector", "status.phase=Suspended,spec.userId=alice")


def test_explain_describes_a_field(world: World) -> None:
    explanation = world.kubectl("explain", "mi.spec.source")
    assert "The source of the media: a URL, or an object of the store." in explanation
    assert "http, https, or a data: URI of at most 64 KiB" in explanation


def test_upgrade_brings_the_newest_resource_definition(world: World, tmp_path: Path) -> None:
    kube, installation = world.installation.kube, world.installation

    def columns() -> list[str]:
        (version,) = kube.get("crd", "mediaimports.mediaimport.dev")["spec"]["versions"]
        return [each["name"] for each in version["additionalPrinterColumns"]]

    def upgrade(chart: Path) -> None:
        kept = ("--namespace", installation.namespace, "--reuse-values", *ownership(kube), "--wait")
        kube.helm("upgrade", installation.release, str(chart), *kept)

    former = tmp_path / "mediaimport"
    shutil.copytree(CHART, former)
    definition = former / "files" / "mediaimports.yaml"
    older = yaml.safe_load(definition.read_text())
    newest = older["spec"]["versions"][0]["additionalPrinterColumns"].pop()["name"]
    definition.write_text(yaml.safe_dump(older))
    upgrade(former)
    assert newest not in columns()
    upgrade(CHART)
    assert newest in columns()
