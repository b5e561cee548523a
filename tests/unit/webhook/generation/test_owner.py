from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_webhook.generation.owner import (
    InvalidTokenError,
    Owner,
    OwnerToken,
    OwnerTokens,
    nonce_of_key,
    text_in,
)
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.settings import Settings

NEW, OLD = "new-key-0123456789-0123456789-0123456789", "old-key-0123456789-0123456789-0123456789"
URL = "https://media.test/api/v1/replicate/webhook"
ALICE = OwnerToken(Owner("alice", ("fun",)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=63)


def signed(content: object, *, salt: str = "mediaimport.dev/owner") -> str:
    """Return any content under our key, signed as the webhook does."""
    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return str(URLSafeSerializer(NEW, salt=salt, signer_kwargs=options).dumps(content))


@given(user=TEXTS, tags=st.lists(TEXTS, max_size=32))
def test_token_says_what_was_signed(user: str, tags: list[str]) -> None:
    token = OwnerToken(Owner(user, tuple(tags)))
    tokens = OwnerTokens((NEW,))
    assert tokens.of_prediction(tokens.callback_url(URL, token)) == token


def test_every_token_is_another() -> None:
    assert OwnerToken(Owner("alice")).nonce != OwnerToken(Owner("alice")).nonce


def test_first_key_signs_and_all_verify() -> None:
    rotated = OwnerTokens((NEW, OLD))
    assert rotated.of_prediction(OwnerTokens((OLD,)).callback_url(URL, ALICE)) == ALICE
    assert OwnerTokens((NEW,)).of_prediction(rotated.callback_url(URL, ALICE)) == ALICE
    assert OwnerTokens((OLD,)).of_prediction(rotated.callback_url(URL, ALICE)) is None


STEPS = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
"""The lists of keys in a rotation, one after the other."""


@pytest.mark.parametrize(("before", "after"), [*itertools.pairwise(STEPS)])
def test_replicas_on_both_sides_of_a_step_of_a_rotation_verify_all_new_tokens(
    before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    replicas = [OwnerTokens(before), OwnerTokens(after)]
    for signer, verifier in itertools.product(replicas, replicas):
        # In the last step only the new key has signed for a day.
        assert verifier.of_prediction(signer.callback_url(URL, ALICE)) == ALICE


@pytest.mark.parametrize("step", [1, 2])
def test_token_of_the_old_key_is_verified_until_the_old_key_goes(step: int) -> None:
    old = OwnerTokens(STEPS[0]).callback_url(URL, ALICE)
    assert OwnerTokens(STEPS[step]).of_prediction(old) == ALICE
    assert OwnerTokens(STEPS[-1]).of_prediction(old) is None


def test_new_key_that_signs_before_all_replicas_have_it_is_refused_by_the_others() -> None:
    early = OwnerTokens((NEW, OLD)).callback_url(URL, ALICE)
    assert OwnerTokens((OLD,)).of_prediction(early) is None


@given(place=st.integers(min_value=0, max_value=100), character=st.sampled_from("aB0-_."))
def test_altered_token_is_refused(place: int, character: str) -> None:
    text = text_in(OwnerTokens((NEW,)).callback_url(URL, ALICE)) or ""
    altered = text[:place] + character + text[place + 1 :]
    if altered != text:
        with pytest.raises(InvalidTokenError):
            OwnerTokens((NEW,)).read(altered)


@pytest.mark.parametrize("content", [None, [], {"user": "alice"}, {"user": 5, "tags": [], "nonce": "n"}])
def test_other_content_under_our_key_is_refused(content: object) -> None:
    with pytest.raises(InvalidTokenError):
        OwnerTokens((NEW,)).read(signed(content))


def test_token_of_another_use_of_the_key_is_refused() -> None:
    content = {"user": "alice", "tags": [], "nonce": "n"}
    assert OwnerTokens((NEW,)).read(signed(content)) == OwnerToken(Owner("alice"), "n")
    with pytest.raises(InvalidTokenError):
        OwnerTokens((NEW,)).read(signed(content, salt="session"))


@pytest.mark.parametrize("url", [None, "", URL, f"{URL}?user=alice", "https://[::1/?owner=a"])
def test_url_without_a_token_has_none(url: str | None) -> None:
    assert OwnerTokens(()).of_prediction(url) is None


def test_nothing_is_signed_or_read_without_a_key() -> None:
    for use in (lambda: OwnerTokens(()).callback_url(URL, ALICE), lambda: OwnerTokens(()).read("a.b")):
        with pytest.raises(Problem, match="OWNER_TOKEN_KEYS"):
            use()


def test_idempotency_keys_of_two_users_are_two() -> None:
    assert nonce_of_key("alice", "k") == nonce_of_key("alice", "k")
    assert len({nonce_of_key("alice", "k"), nonce_of_key("bob", "k"), nonce_of_key("alice", "j")}) == 3


def test_short_key_is_one_line_that_names_the_variable() -> None:
    with pytest.raises(BadSettingError, match=r"^OWNER_TOKEN_KEYS") as refusal:
        Settings.read(Environment({"NAMESPACE": "n", "S3_BUCKET_NAME": "b", "OWNER_TOKEN_KEYS": f"{NEW},short"}))
    assert "short," not in str(refusal.value)
