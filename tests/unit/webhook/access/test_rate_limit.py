from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from mediaimport_webhook.access import rate_limit
from mediaimport_webhook.access.rate_limit import RateLimiter, bucket_of, client_address

from tests.support.webhook import ALICE, RunningWebhook

if TYPE_CHECKING:
    from tests.support.webhook import Make, Start

LIST = "/api/v1/media/"
PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
CORS = {"CORS_ORIGINS": "https://app.test", "UNAUTHENTICATED_RATE_LIMIT_PER_SECOND": "1"}


@pytest.fixture
def limited(start: Start) -> RunningWebhook:
    """Return a webhook that allows each address one request per second, two at once."""
    return start(UNAUTHENTICATED_RATE_LIMIT_PER_SECOND="1", TRUSTED_PROXIES="127.0.0.0/8")


def of(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [(LIST, None, 401), (LIST, "x" * 20, 401), ("/openapi.json", None, 200), ("/openapi.json", "x" * 20, 200)],
)
def test_stranger_who_asks_too_often_is_told_when_to_come_back(
    limited: RunningWebhook, path: str, token: str | None, status: int
) -> None:
    answers = [limited.call("GET", path, token=token, headers=of("192.0.2.1")) for _ in range(4)]
    assert [each.status_code for each in answers] == [status, status, 429, 429]
    assert answers[3].headers["retry-after"] == "1"
    assert answers[3].json()["type"].endswith("/too-many-requests")
    assert limited.sample("mediaimport_webhook_http_requests_rate_limited_total") == 2
    assert limited.call("GET", path, token=token, headers=of("192.0.2.2")).status_code == status


def test_user_at_a_strangers_address_is_not_limited(limited: RunningWebhook) -> None:
    for _ in range(5):
        limited.call("GET", LIST, token=None)
    assert {limited.call("GET", LIST, token=ALICE).status_code for _ in range(20)} == {200}
    assert limited.call("GET", LIST, token=None).status_code == 429


def test_thousand_signed_callbacks_at_a_strangers_address_are_not_limited(
    limited: RunningWebhook, prediction: Make
) -> None:
    forged = [limited.callback(prediction(), secret="whsec_AAAA").status_code for _ in range(4)]
    assert forged == [401, 401, 429, 429]
    assert {limited.callback(prediction(id=f"p{number}")).status_code for number in range(1000)} == {200}


def test_callback_that_cannot_be_taken_is_503_and_never_429(limited: RunningWebhook, prediction: Make) -> None:
    for _ in range(5):
        limited.call("GET", LIST, token=None)
    limited.cluster.down = True
    assert {limited.callback(prediction()).status_code for _ in range(5)} == {503}


def test_stranger_pays_for_a_5xx(limited: RunningWebhook) -> None:
    answers = [limited.call("POST", "/api/v1/fal/webhook", token=None).status_code for _ in range(4)]
    assert answers == [503, 503, 429, 429]


def test_callback_whose_signature_could_not_be_checked_is_503_and_never_429(start: Start, prediction: Make) -> None:
    settings = {"REPLICATE_WEBHOOK_SECRETS": None, "REPLICATE_API_TOKEN": "r8-token"}
    webhook = start(UNAUTHENTICATED_RATE_LIMIT_PER_SECOND="1", **settings)
    webhook.replicate.answers["/v1/webhooks/default/secret"] = httpx.Response(500)
    assert {webhook.callback(prediction()).status_code for _ in range(5)} == {503}


def test_token_that_could_not_be_checked_is_503_and_never_429(start: Start) -> None:
    issuer = "https://login.test/realm"
    webhook = start(UNAUTHENTICATED_RATE_LIMIT_PER_SECOND="1", OIDC_ISSUER=issuer, OIDC_AUDIENCE="a")
    webhook.replicate.answers["/realm/.well-known/openid-configuration"] = httpx.Response(500)
    token = jwt.encode({"sub": "alice"}, "x" * 32, algorithm="HS256", headers={"kid": "one"})
    assert {webhook.call("GET", LIST, token=token).status_code for _ in range(5)} == {503}


@pytest.mark.parametrize(("path", "status"), [("/openapi.json", 200), ("/api/v1/nowhere", 404)])
def test_valid_token_never_counts_also_where_nobody_asks_for_it(
    limited: RunningWebhook, path: str, status: int
) -> None:
    assert {limited.call("GET", path, token=ALICE).status_code for _ in range(5)} == {status}


def test_probes_are_never_limited(limited: RunningWebhook) -> None:
    assert {limited.call("GET", "/healthz", token=None).status_code for _ in range(20)} == {200}


def test_limit_is_off_at_0(start: Start) -> None:
    webhook = start(UNAUTHENTICATED_RATE_LIMIT_PER_SECOND="0")
    assert {webhook.call("GET", LIST, token=None).status_code for _ in range(50)} == {401}


def test_browser_may_read_the_429(start: Start) -> None:
    webhook = start(**CORS)
    headers = {"Origin": "https://app.test"}
    answers = [webhook.call("GET", LIST, token=None, headers=headers) for _ in range(4)]
    assert {each.headers["access-control-allow-origin"] for each in answers[2:]} == {"https://app.test"}


def scope(client: str, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return {"type": "http", "client": (client, 1), "headers": headers}


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("192.0.2.9", ["192.0.2.1"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7, 192.0.2.1, 10.1.1.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7", "192.0.2.1 , 10.1.1.1"], "192.0.2.1"),
        ("10.0.0.1", ["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["203.0.113.7:51234"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7:51234, 10.1.1.1:80"], "203.0.113.7"),
        ("fd00::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("fd00::1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["192.0.2.1:"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
    ],
)
def test_address_is_the_first_from_the_right_that_is_no_trusted_proxy(
    client: str, forwarded: list[str], address: str
) -> None:
    assert client_address(scope(client, *forwarded), PROXIES) == address


def test_stranger_with_a_network_of_ipv6_has_one_bucket() -> None:
    assert bucket_of("2001:db8::1") == bucket_of("2001:db8::ffff:1") != bucket_of("2001:db8:0:1::1")
    assert bucket_of("::ffff:192.0.2.1") == bucket_of("192.0.2.1") != bucket_of("192.0.2.2")


def test_buckets_of_more_addresses_than_are_remembered_take_no_more_memory() -> None:
    limiter = RateLimiter(1, monotonic=lambda: 0.0)
    for number in range(rate_limit._MAX_BUCKETS + 500):
        limiter.retry_after_s(str(number))
    assert len(limiter._buckets) == rate_limit._MAX_BUCKETS
    assert not limiter.is_empty("0")
