"""Files that come inline in a callback, above what a resource can hold."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import prediction_asset_id
from mediaimport_api.sidecar import Owner, Tombstone
from mediaimport_api.spec import MAX_DATA_URI_BYTES, Spec

from tests.support.webhook import FakeIncoming, sidecar_of

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook

PNG = b"\x89PNG\r\n\x1a\n"
KEY = f"incoming/default/{prediction_asset_id('replicate', 'pred1', '')}"


def picture(size_bytes: int) -> tuple[bytes, str]:
    """Return a file and its data: URI."""
    data = PNG + os.urandom(size_bytes - len(PNG))
    return data, "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("kilobytes", [50, 200, 2000, 3500])
def test_large_data_uri_waits_in_the_store_and_is_imported_from_there(
    webhook: RunningWebhook, prediction: Make, kilobytes: int
) -> None:
    data, uri = picture(kilobytes * 1000)

    answer = webhook.callback(prediction(output=uri))

    assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    assert webhook.incoming.held == {KEY: data}
    (spec,) = webhook.specs()
    assert spec["source"]["store"] == {"key": KEY}
    assert "url" not in spec["source"]
    assert "expiresAt" not in spec["source"]
    assert spec["expected"] == {"sha256": hashlib.sha256(data).hexdigest(), "sizeBytes": len(data)}
    assert webhook.incoming.largest_piece <= 256 * 1024
    Spec.model_validate(spec)


def test_data_uri_that_a_resource_holds_stays_in_it(webhook: RunningWebhook, prediction: Make) -> None:
    _, uri = picture(40_000)
    assert len(uri) <= MAX_DATA_URI_BYTES
    webhook.callback(prediction(output=uri))
    assert webhook.specs()[0]["source"]["url"] == uri
    assert webhook.incoming.held == {}


def test_text_that_grows_as_json_goes_through_the_store_too(webhook: RunningWebhook, prediction: Make) -> None:
    body = "<svg>" + '"' * 60_000 + "</svg>"
    webhook.callback(prediction(output="data:image/svg+xml," + body))
    assert webhook.incoming.held == {KEY: body.encode()}


def test_repeated_callback_makes_no_second_object(webhook: RunningWebhook, prediction: Make) -> None:
    _, uri = picture(100_000)
    webhook.callback(prediction(output=uri))
    webhook.incoming.held.clear()  # the importer has removed it

    again = webhook.callback(prediction(output=uri))

    assert (again.status_code, again.json()["assets"][0]["outcome"]) == (200, "duplicate")
    assert webhook.incoming.held == {}


def test_callback_that_was_cut_short_overwrites_the_same_object(webhook: RunningWebhook, prediction: Make) -> None:
    data, uri = picture(100_000)
    webhook.cluster.creations_left = 0
    assert webhook.callback(prediction(output=uri)).status_code == 503
    webhook.cluster.creations_left = -1

    assert webhook.callback(prediction(output=uri)).status_code == 200

    assert (webhook.incoming.writes, webhook.incoming.held) == ([KEY, KEY], {KEY: data})


def test_each_output_has_an_object_of_its_own(webhook: RunningWebhook, prediction: Make) -> None:
    files = [picture(100_000) for _ in range(3)]
    webhook.callback(prediction(output=[uri for _, uri in files]))
    assert sorted(webhook.incoming.held.values()) == sorted(data for data, _ in files)
    assert len(webhook.cluster.imports) == 3


def test_store_that_does_not_answer_makes_the_generator_send_again(webhook: RunningWebhook, prediction: Make) -> None:
    data, uri = picture(100_000)
    webhook.incoming.down = True

    refused = webhook.callback(prediction(output=[uri, "https://replicate.delivery/a.mp4"]))

    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert [each["source"].get("url") for each in webhook.specs()] == ["https://replicate.delivery/a.mp4"]
    assert webhook.sample("mediaimport_webhook_callbacks_total", provider="replicate", outcome="failed") == 1
    assert [reason for reason, _ in webhook.cluster.events] == ["OutputNotStored"]
    webhook.incoming.down = False
    assert webhook.callback(prediction(output=[uri, "https://replicate.delivery/a.mp4"])).status_code == 200
    assert list(webhook.incoming.held.values()) == [data]
    assert len(webhook.cluster.imports) == 2


def test_object_of_a_deleted_asset_is_not_stored_again(webhook: RunningWebhook, prediction: Make) -> None:
    _, uri = picture(100_000)
    asset = prediction_asset_id("replicate", "pred1", "")
    webhook.sidecars.held[f"media/default/{asset}/asset.json"] = Tombstone(
        owner=Owner(namespace="media", name="gone", uid="u"),
        source_fingerprint="0" * 64,
        deleted_at=sidecar_of("default").imported_at,
    )
    answer = webhook.callback(prediction(output=uri))
    assert (answer.status_code, answer.json()["assets"][0]["outcome"]) == (200, "deleted")
    assert webhook.incoming == FakeIncoming()


def test_broken_base64_is_refused_with_an_event(webhook: RunningWebhook, prediction: Make) -> None:
    answer = webhook.callback(prediction(output="data:image/png;base64," + "=a" * 50_000))
    assert (answer.status_code, answer.json()["assets"][0]["outcome"]) == (200, "refused")
    ((reason, message),) = webhook.cluster.events
    assert reason == "OutputRefused"
    assert "it is a data: URI that has invalid base64" in message
    assert webhook.incoming.held == {}
