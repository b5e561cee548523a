from __future__ import annotations

import json
import logging
import timeit
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import BadSettingError
from mediaimport_webhook.access.authenticator import TokensFile
from mediaimport_webhook.access.rate_limit import RateLimiter

from tests.support.webhook import BOB, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.webhook import Start

ALICE = "alice-token-0123456789"
ROUTES = [
    ("GET", "/api/v1/media/"),
    ("GET", "/api/v1/media/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"),
    ("POST", "/api/v1/media/import-from-url"),
    ("POST", "/api/v1/replicate/wan-video-t2v"),
    ("GET", "/api/v1/replicate/predictions/pred1"),
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YTpi", ALICE, f"Bearer {ALICE}x", f"Bearer {ALICE[:-1]}", "Bearer é"],
)
def test_request_without_a_known_token_is_401(start: Start, method: str, path: str, authorization: str) -> None:
    headers = {"Authorization": authorization.encode()}
    answer = start().call(method, path, token=None, headers=headers, **({"json": {}} if method == "POST" else {}))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_tokens_file_every_route_is_503_and_names_it(start: Start, method: str, path: str) -> None:
    answer = start(AUTH_TOKENS_FILE=None).call(method, path, json={})
    assert (answer.status_code, answer.json()["setting"]) == (503, "AUTH_TOKENS_FILE")


def test_mode_none_lets_everybody_in_and_warns(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        webhook = start(AUTH_MODE="none", AUTH_TOKENS_FILE=None)
    assert webhook.call("GET", "/api/v1/media/", token=None).status_code == 200
    assert "AUTH_MODE is none" in caplog.text


def user_of(tokens: TokensFile) -> tuple[str, bool]:
    caller = tokens.find(ALICE)
    assert caller is not None
    return caller.user_id, caller.admin


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens.json", Clock()
    path.write_text(json.dumps([{"token": ALICE, "user": "alice"}]))
    tokens = TokensFile(path, monotonic=clock)
    assert user_of(tokens) == ("alice", False)
    new = tmp_path / "new.json"
    new.write_text(json.dumps([{"token": ALICE, "user": "carol", "role": "admin"}]))
    new.replace(path)
    clock.now = 2
    assert user_of(tokens) == ("carol", True)


def test_broken_file_leaves_the_former_tokens_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "tokens.json", Clock()
    path.write_text(json.dumps([{"token": ALICE, "user": "alice"}]))
    tokens = TokensFile(path, monotonic=clock)
    path.write_text('[{"token": "very-secret-token-xyz"')
    clock.now = 2
    assert user_of(tokens) == ("alice", False)
    assert "could not be reloaded" in caplog.text
    assert "very-secret" not in caplog.text
    path.unlink()
    clock.now = 4
    assert user_of(tokens) == ("alice", False)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '[{"user": "a"}]',
        '[{"token": "short", "user": "a"}]',
        '[{"token": "0123456789abcdef", "sha256": "' + "0" * 64 + '", "user": "a"}]',
        '[{"token": "0123456789abcdef", "user": "../x"}]',
        '[{"token": "0123456789abcdef", "user": "a", "role": "god"}]',
        '[{"sha256": "xyz", "user": "a"}]',
        '[{"token": "0123456789abcdef", "user": "a", "extra": 1}]',
    ],
)
def test_wrong_file_ends_the_start_with_a_line_that_names_the_setting(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(BadSettingError, match=r"^AUTH_TOKENS_FILE") as refusal:
        TokensFile(path)
    assert "\n" not in str(refusal.value)
    assert "0123456789abcdef" not in str(refusal.value)


def test_missing_file_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match=r"^AUTH_TOKENS_FILE"):
        TokensFile(tmp_path / "none.json")


def test_two_seconds_worth_may_come_at_once_and_then_the_rate_holds() -> None:
    clock = Clock()
    limiter = RateLimiter(5, monotonic=clock)
    assert [limiter.retry_after_s("alice") for _ in range(11)] == [0] * 10 + [1]
    clock.now = 0.4
    assert [limiter.retry_after_s("alice") for _ in range(3)] == [0, 0, 1]
    clock.now = 100
    assert [limiter.retry_after_s("alice") for _ in range(11)].count(0) == 10


def test_one_user_does_not_use_up_anothers() -> None:
    limiter = RateLimiter(1, monotonic=Clock())
    assert [limiter.retry_after_s("alice") for _ in range(3)] == [0, 0, 1]
    assert limiter.retry_after_s("bob") == 0


def test_user_who_asks_too_often_is_told_when_to_come_back(start: Start) -> None:
    webhook = start(RATE_LIMIT_PER_SECOND="1")
    answers = [webhook.call("GET", "/api/v1/stats") for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert (answers[2].headers["retry-after"], answers[2].headers["content-type"]) == ("1", "application/problem+json")
    assert webhook.sample("mediaimport_webhook_http_requests_rate_limited_total") == 1
    assert webhook.call("GET", "/api/v1/stats", token="bob-token-0123456789").status_code == 200


def test_bulk_import_counts_each_url_and_its_users_next_request_waits(start: Start) -> None:
    webhook = start(RATE_LIMIT_PER_SECOND="1")
    path, one = "/api/v1/media/import-from-urls", {"url": "https://example.com/a.mp4"}
    single = [webhook.call("POST", path, token=BOB, json={"imports": [one]}).status_code for _ in range(2)]
    assert single == [200, 200]
    answer = webhook.call("POST", path, json={"imports": [one] * 60})
    assert [each["status"] for each in answer.json()["imports"]] == [202] * 60
    refused = webhook.call("GET", "/api/v1/stats")
    assert (refused.status_code, int(refused.headers["retry-after"]) > 2) == (429, True)
    assert webhook.call("GET", "/api/v1/stats", token=ROOT).status_code == 200


def test_bulk_import_that_is_refused_counts_once(start: Start) -> None:
    webhook = start(RATE_LIMIT_PER_SECOND="1")
    assert webhook.call("POST", "/api/v1/media/import-from-urls", json={"imports": [{}] * 101}).status_code == 422
    assert webhook.call("GET", "/api/v1/stats").status_code == 200


def test_what_a_bucket_owes_is_waited_for() -> None:
    clock = Clock()
    limiter = RateLimiter(5, monotonic=clock)
    limiter.take("alice", 60)
    assert limiter.retry_after_s("alice") == 11
    clock.now = 10
    assert limiter.retry_after_s("alice") == 1
    clock.now = 11
    assert limiter.retry_after_s("alice") == 0


def test_looking_up_a_token_takes_no_longer_with_many_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    grants = [{"token": f"token-number-{number:06}", "user": "bob"} for number in range(20_000)]
    path.write_text(json.dumps([*grants, {"token": ALICE, "user": "alice"}]))
    tokens = TokensFile(path)
    assert min(timeit.repeat(lambda: tokens.find(ALICE), number=10, repeat=5)) / 10 < 0.0002


def test_first_grant_of_a_token_counts(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps([{"token": ALICE, "user": "alice"}, {"token": ALICE, "user": "bob", "role": "admin"}]))
    found = TokensFile(path).find(ALICE)
    assert found is not None
    assert (found.user_id, found.admin) == ("alice", False)
