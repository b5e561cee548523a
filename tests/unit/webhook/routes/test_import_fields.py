"""Fields of an import that the resource has: what is expected, the thumbnail, secret request headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.webhook import ALICE, BOB, ROOT

if TYPE_CHECKING:
    import httpx

    from tests.support.webhook import RunningWebhook

URL = "https://example.com/video.mp4"
SECRET = {"source_headers_secret": "mediaimport-source-example"}
FIELDS: dict[str, Any] = {
    "expected": {"sha256": "0" * 64, "size_bytes": 5},
    "thumbnail": {"width_pixels": 640, "frame": "skipBlack"},
    "undescribed": "Refuse",
}


def send(webhook: RunningWebhook, *, token: str = ALICE, key: str | None = None, **body: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return webhook.call("POST", "/api/v1/media/import-from-url", token=token, json={"url": URL} | body, headers=headers)


def test_fields_reach_the_spec(webhook: RunningWebhook) -> None:
    assert send(webhook, **FIELDS).status_code == 202
    (spec,) = webhook.specs()
    assert spec["expected"] == {"sha256": "0" * 64, "sizeBytes": 5}
    assert spec["thumbnail"] == {"widthPixels": 640, "frame": "skipBlack"}
    assert (spec["undescribed"], spec["source"], spec["userId"]) == ("Refuse", {"url": URL}, "alice")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"expected": None, "thumbnail": None, "source_headers_secret": None},
        {"thumbnail": {}, "undescribed": "Keep"},
    ],
)
def test_fields_have_the_defaults_of_the_resource(webhook: RunningWebhook, body: dict[str, Any]) -> None:
    assert send(webhook, **body).status_code == 202
    (spec,) = webhook.specs()
    assert (spec["thumbnail"], spec["undescribed"]) == ({"widthPixels": 320, "frame": "first"}, "Keep")
    assert ("expected" in spec, spec["source"]) == (False, {"url": URL})


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"expected": {}}, "give sha256 or size_bytes, or leave it out"),
        ({"expected": {"sha256": "x"}}, "send 64 lower-case hex digits"),
        ({"source_headers_secret": "Not A Name"}, "kubectl get secrets"),
    ],
)
def test_wrong_field_says_what_to_do(webhook: RunningWebhook, body: dict[str, Any], advice: str) -> None:
    assert advice in send(webhook, token=ROOT, **body).json()["detail"]


def test_admin_names_a_secret_of_request_headers(webhook: RunningWebhook) -> None:
    assert send(webhook, token=ROOT, **SECRET).status_code == 202
    (spec,) = webhook.specs()
    assert spec["source"] == {"url": URL, "headersSecretRef": {"name": "mediaimport-source-example"}}
    assert spec["userId"] == "root"


@pytest.mark.parametrize("token", [ALICE, BOB])
def test_secret_of_request_headers_is_for_admins(webhook: RunningWebhook, token: str) -> None:
    answer = send(webhook, token=token, **SECRET)
    sentence = "source_headers_secret is for admins; leave it out, or ask an admin to import the URL."
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "admins-only")
    assert (answer.json()["detail"], webhook.specs()) == (sentence, [])
    assert answer.json()["errors"] == [{"pointer": "/source_headers_secret", "detail": sentence}]


def test_same_key_and_fields_are_one_import(webhook: RunningWebhook) -> None:
    answers = [send(webhook, token=ROOT, key="k1", **FIELDS, **SECRET) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert len(webhook.specs()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"expected": {"size_bytes": 6}},
        {"expected": None},
        {"thumbnail": {"width_pixels": 640}},
        {"undescribed": "Keep"},
        {"source_headers_secret": "another"},
        {"source_headers_secret": None},
    ],
)
def test_same_key_with_another_field_is_409(webhook: RunningWebhook, other: dict[str, Any]) -> None:
    send(webhook, token=ROOT, key="k1", **FIELDS, **SECRET)
    answer = send(webhook, token=ROOT, key="k1", **(FIELDS | SECRET | other))
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (409, "idempotency-key-reused")


def test_import_that_an_earlier_release_made_is_that_of_its_key(webhook: RunningWebhook) -> None:
    send(webhook, key="k1")
    (resource,) = webhook.cluster.imports.values()
    del resource["spec"]["undescribed"], resource["spec"]["thumbnail"]
    webhook.run(webhook.cluster.write(resource))
    assert send(webhook, key="k1").status_code == 202
    assert send(webhook, key="k1", undescribed="Refuse").status_code == 409
