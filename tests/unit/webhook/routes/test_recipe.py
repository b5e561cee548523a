from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys, prediction_asset_id
from mediaimport_api.sidecar import RecordedProvider

from tests.support.webhook import BOB, ROOT, sidecar_of

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook, Start

ASSET_ID = str(prediction_asset_id("replicate", "pred1", ""))
IMAGE = "data:image/png;base64," + "A" * 100_000
MADE: dict[str, Any] = {
    "input": {"prompt": "a rabbit", "image": IMAGE, "seed": 42, "hf_token": "x"},
    "metrics": {"predict_time": 4.25, "total_time": 5.5},
    "started_at": "2026-01-01T00:00:30.500Z",
}
RECIPE = {
    "provider": "replicate",
    "id": "pred1",
    "pointer": "",
    "model": "wan-video/wan-2.5-t2v",
    "version": "hidden",
    "input": {
        "prompt": "a rabbit",
        "image": {"sha256": hashlib.sha256(IMAGE.encode()).hexdigest(), "bytes": len(IMAGE)},
        "seed": 42,
        "hf_token": "[redacted]",
    },
    "metrics": {"predict_time": 4.25, "total_time": 5.5},
    "seed": 42,
    "created_at": "2026-01-01T00:00:00Z",
    "started_at": "2026-01-01T00:00:30Z",
    "completed_at": "2026-01-01T00:01:00Z",
    "truncated": False,
}


def shown(webhook: RunningWebhook, asset_id: str = ASSET_ID) -> dict[str, Any]:
    answer: dict[str, Any] = webhook.call("GET", f"/api/v1/media/{asset_id}", token=ROOT).json()
    return answer


def test_generated_asset_is_shown_with_its_recipe(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(**MADE))
    assert shown(webhook)["generation"] == RECIPE


def test_recipe_is_that_of_the_owner(webhook: RunningWebhook, prediction: Make) -> None:
    job = webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"}).json()["job_id"]
    webhook.callback(prediction(id=job, **MADE), path=webhook.replicate.callback_path(job))
    path = f"/api/v1/media/{prediction_asset_id('replicate', job, '')}"
    assert webhook.call("GET", path).json()["generation"]["input"]["prompt"] == "a rabbit"
    assert webhook.call("GET", path, token=BOB).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/media/", "/api/v1/replicate/predictions/pred1"])
def test_recipe_is_too_large_for_lists(webhook: RunningWebhook, prediction: Make, path: str) -> None:
    webhook.callback(prediction(**MADE))
    (asset,) = webhook.call("GET", path, token=ROOT).json()["assets"]
    assert "generation" not in asset


def test_asset_that_no_generator_made_has_no_recipe(webhook: RunningWebhook) -> None:
    url = "https://example.com/video.mp4"
    asset_id = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": url}).json()["asset_id"]
    assert "generation" not in shown(webhook, asset_id)


def test_recipe_of_a_resource_that_is_gone_is_in_its_sidecar(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(**MADE))
    (resource,) = webhook.cluster.imports.values()
    provider = RecordedProvider.model_validate(resource["spec"]["source"]["provider"] | {"later": 1})
    sidecar = sidecar_of("root")
    sidecar = sidecar.model_copy(
        update={
            "provenance": sidecar.provenance.model_copy(update={"provider": provider}),
            "asset": sidecar.asset.model_copy(update={"id": prediction_asset_id("replicate", "pred1", "")}),
        }
    )
    webhook.sidecars.held[AssetKeys("root", ASSET_ID).sidecar] = sidecar
    webhook.run(webhook.cluster.remove(resource["metadata"]["name"]))
    webhook.until(lambda: shown(webhook).get("import_job_id") == "gone")
    assert shown(webhook)["generation"] == RECIPE


@pytest.mark.parametrize(
    ("provenance", "recorded"),
    [
        ("full", {"prompt": "a rabbit", "steps": 4}),
        (
            "hashed",
            {
                "prompt": {"sha256": hashlib.sha256(b"a rabbit").hexdigest(), "bytes": 8},
                "steps": {"sha256": hashlib.sha256(b"4").hexdigest(), "bytes": 1},
            },
        ),
        ("none", None),
    ],
)
def test_input_is_recorded_as_the_installation_wants_it(
    start: Start, prediction: Make, provenance: str, recorded: object
) -> None:
    webhook = start(PROVENANCE_INPUT=provenance)
    webhook.callback(prediction(input={"prompt": "a rabbit", "steps": 4}, metrics={"predict_time": 1.5}))
    recipe = shown(webhook)["generation"]
    assert (recipe["input"], recipe["metrics"]) == (recorded, {"predict_time": 1.5})


def test_every_output_has_the_recipe_and_its_own_pointer(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(output=[f"https://replicate.delivery/{index}.png" for index in range(3)], **MADE))
    providers = [each["source"]["provider"] for each in webhook.specs()]
    assert [each["pointer"] for each in providers] == ["/0", "/1", "/2"]
    assert all(each["input"]["prompt"] == "a rabbit" for each in providers)


@pytest.mark.parametrize(
    ("seed", "given"), [("7", 7), (str(2**53 - 1), 2**53 - 1), (str(2**53), str(2**53)), ("9" * 40, "9" * 40)]
)
def test_seed_is_a_number_as_long_as_every_reader_keeps_it(
    webhook: RunningWebhook, prediction: Make, seed: str, given: object
) -> None:
    webhook.callback(prediction())
    (resource,) = webhook.cluster.imports.values()
    resource["spec"]["source"]["provider"]["seed"] = seed
    webhook.run(webhook.cluster.write(resource))
    webhook.until(lambda: shown(webhook)["generation"]["seed"] == given)


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        ({"input": {"a": "x" * 9000}}, "/input: has 9008 bytes of JSON; at most 8192 are kept: it is left out"),
        ({"input": {"a": "x" * 5000}, "metrics": {"a": "x" * 5000}}, "/: has "),
        ({"seed": "x"}, "/seed: "),
    ],
)
def test_recipe_that_cannot_be_shown_is_left_out_and_said_so(
    webhook: RunningWebhook, prediction: Make, provider: dict[str, Any], reason: str
) -> None:
    webhook.callback(prediction())
    (resource,) = webhook.cluster.imports.values()
    resource["spec"]["source"]["provider"] |= provider
    webhook.run(webhook.cluster.write(resource))
    webhook.until(lambda: shown(webhook)["broken"] is not None)
    asset = shown(webhook)
    assert asset["broken"].startswith(f"spec.source.provider{reason}")
    assert (asset["job_id"], "generation" in asset) == ("pred1", False)
