"""Records of failed predictions, from which the operator tells endpoints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.event_records import FAILED_PREDICTION, FailedPrediction
from mediaimport_api.names import ANNOTATION_RECORD, LABEL_RECORD, LABEL_USER
from mediaimport_webhook.generation.owner import Owner, OwnerToken, OwnerTokens

from tests.support.webhook import OWNER_KEY

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook, Start

TOKENS = OwnerTokens((OWNER_KEY,))
TELLING = {"TELL_FAILED_PREDICTIONS": "true"}


def of(owner: Owner) -> str:
    """The path of callbacks about a prediction of that owner."""
    return TOKENS.callback_url("/api/v1/replicate/webhook", OwnerToken(owner))


def failures(webhook: RunningWebhook) -> list[FailedPrediction]:
    """The records as the operator reads them."""
    found: list[Any] = []
    for lease in webhook.cluster.leases.values():
        about = lease["metadata"]
        if about["labels"].get(LABEL_RECORD) == FAILED_PREDICTION:
            found.append(FailedPrediction.model_validate_json(about["annotations"][ANNOTATION_RECORD]))
            assert about["labels"][LABEL_USER] == found[-1].user
            assert "mediaimport.dev/expires" in about["labels"]
    return found


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"status": "failed", "output": None}, "failed", "PredictionNotSucceeded"),
        ({"status": "canceled", "output": None}, "canceled", "PredictionNotSucceeded"),
        ({"output": ["Hel", "lo"]}, "succeeded", "NoMediaOutput"),
        ({"output": "https://replicate.delivery/" + "a" * 70_000}, "succeeded", "OutputRefused"),
    ],
)
def test_prediction_of_which_no_asset_comes_is_recorded_for_its_owner(
    start: Start, prediction: Make, changes: dict[str, Any], state: str, reason: str
) -> None:
    webhook = start(**TELLING)
    before = datetime.now(UTC).replace(microsecond=0)
    assert webhook.callback(prediction(**changes), path=of(Owner("alice"))).status_code == 200
    (failed,) = failures(webhook)
    assert before <= failed.at <= datetime.now(UTC)
    assert failed.model_copy(update={"at": before}) == FailedPrediction(
        provider="replicate", prediction="pred1", user="alice", state=state, reason=reason, at=before
    )


def test_repeated_callback_changes_nothing(start: Start, prediction: Make) -> None:
    webhook = start(**TELLING)
    webhook.callback(prediction(status="failed", output=None))
    before = json.dumps(webhook.cluster.leases)
    webhook.callback(prediction(status="canceled", output=None))
    assert json.dumps(webhook.cluster.leases) == before


def test_prediction_without_owner_is_the_default_users_and_stays_hidden(start: Start, prediction: Make) -> None:
    webhook = start(**TELLING)
    webhook.callback(prediction(status="failed", output=None))
    assert [each.user for each in failures(webhook)] == ["default"]
    assert webhook.call("GET", "/api/v1/replicate/predictions/pred1").status_code == 404


def test_callback_is_sent_again_until_the_failure_is_recorded(start: Start, prediction: Make) -> None:
    webhook = start(**TELLING)
    webhook.cluster.down = True
    assert webhook.callback(prediction(status="failed", output=None)).status_code == 503
    webhook.cluster.down = False
    assert webhook.callback(prediction(status="failed", output=None)).status_code == 200
    assert len(failures(webhook)) == 1


def test_prediction_with_an_asset_is_no_failure(start: Start, prediction: Make) -> None:
    webhook = start(**TELLING)
    outputs = ["https://replicate.delivery/" + "a" * 70_000, "https://replicate.delivery/b.mp4"]
    webhook.callback(prediction(output=outputs), path=of(Owner("alice")))
    webhook.callback(prediction(id="pred2", status="processing"))
    assert failures(webhook) == []


def test_without_endpoints_nothing_is_recorded(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(status="failed", output=None))
    assert webhook.cluster.leases == {}
