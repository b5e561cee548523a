from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mediaimport_webhook.generation.signatures import PassingSignature, refusal, usable_secret
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "A" * 32
BODY = b'{"test": 2432232314}'
SENT = datetime.fromtimestamp(1614265330, UTC)
GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(**changes: str) -> dict[str, str]:
    vector = {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "timestamp": "1614265330", "signature": GOOD}
    return {f"webhook-{name}": value for name, value in (vector | changes).items()}


def test_published_vector_is_accepted() -> None:
    assert refusal(headers(), BODY, [SECRET], SENT) is None


def test_any_of_several_secrets_will_do() -> None:
    assert refusal(headers(), BODY, [OTHER, SECRET], SENT) is None


@pytest.mark.parametrize(
    "signature",
    [f"v1a,AAAA {GOOD}", f"{GOOD} v2,xyz", f"garbage {GOOD}", f"a,b,c {GOOD}", f"v1,!! {GOOD}", f"v1, {GOOD}"],
)
def test_other_members_of_the_list_are_passed_over(signature: str) -> None:
    assert refusal(headers(signature=signature), BODY, [SECRET], SENT) is None


@pytest.mark.parametrize(
    "signature",
    [
        GOOD.removeprefix("v1,"),
        GOOD.replace("v1,", "v2,"),
        GOOD.replace("v1,", "V1,"),
        GOOD.replace("v1,", "v1,v1,"),
        GOOD.rstrip("="),
        GOOD + "=",
        GOOD[:-2] + "F=",
        GOOD[:-8],
        GOOD.replace("+", "-").replace("/", "_"),
        GOOD.swapcase(),
        "v1," + GOOD.removeprefix("v1,")[::-1],
        "v1,",
        "v1," + "A" * 43 + "=",
        "v1,é",
        GOOD + "\t",
        GOOD.replace(",", " "),
    ],
)
def test_wrong_signature_of_any_kind_is_refused(signature: str) -> None:
    assert refusal(headers(signature=signature), BODY, [SECRET], SENT) == "no signature matches"


@pytest.mark.parametrize("missing", ["id", "timestamp", "signature"])
def test_missing_header_is_refused(missing: str) -> None:
    assert refusal(headers(**{missing: ""}), BODY, [SECRET], SENT) is not None


@pytest.mark.parametrize("changed", [BODY + b" ", BODY.replace(b" ", b""), b"", b"\xff\xfe"])
def test_other_body_is_refused(changed: bytes) -> None:
    assert refusal(headers(), changed, [SECRET], SENT) == "no signature matches"


def test_other_id_is_refused() -> None:
    assert refusal(headers(id="msg_other"), BODY, [SECRET], SENT) == "no signature matches"


def test_other_secret_or_none_is_refused() -> None:
    assert refusal(headers(), BODY, [OTHER], SENT) == "no signature matches"
    assert refusal(headers(), BODY, [], SENT) == "no signature matches"


@pytest.mark.parametrize("away_s", [-301, 301, 86400, -86400])
def test_time_too_far_from_now_is_refused(away_s: int) -> None:
    assert "away from now" in (refusal(headers(), BODY, [SECRET], SENT + timedelta(seconds=away_s)) or "")


@pytest.mark.parametrize("away_s", [-300, 0, 300])
def test_time_within_the_tolerance_is_accepted(away_s: int) -> None:
    assert refusal(headers(), BODY, [SECRET], SENT + timedelta(seconds=away_s)) is None


@pytest.mark.parametrize(
    "sent", ["1614265330.0", "nan", "1e9", "01614265330", "-1", "١٦١٤٢٦٥٣٣٠", "9" * 40, " 1614265330"]
)
def test_timestamp_that_is_no_plain_number_is_refused(sent: str) -> None:
    assert refusal(headers(timestamp=sent), BODY, [SECRET], SENT) == "webhook-timestamp is not a number of seconds"


@pytest.mark.parametrize(
    ("secret", "usable"),
    [(SECRET, True), (SECRET.removeprefix("whsec_"), False), ("whsec_", False), ("whsec_a", False)],
)
def test_secret_is_checked_for_its_form(secret: str, *, usable: bool) -> None:
    assert usable_secret(secret) is usable


SECRETS = st.binary(min_size=1, max_size=64).map(lambda key: f"whsec_{base64.b64encode(key).decode()}")
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
BODIES = st.text(max_size=200).map(str.encode)


def signed(secret: str, message_id: str, body: bytes, moment: datetime) -> dict[str, str]:
    signature = Webhook(secret).sign(message_id, moment, body.decode())
    return headers(id=message_id, timestamp=str(int(moment.timestamp())), signature=signature)


@given(SECRETS, IDS, BODIES, st.integers(-300, 300))
def test_whatever_is_signed_is_accepted_within_the_tolerance(
    secret: str, message_id: str, body: bytes, age_s: int
) -> None:
    given_headers = signed(secret, message_id, body, SENT)
    assert refusal(given_headers, body, [OTHER, secret], SENT + timedelta(seconds=age_s)) is None


@given(SECRETS, IDS, BODIES, st.data())
def test_one_changed_byte_of_body_id_or_signature_is_refused(
    secret: str, message_id: str, body: bytes, data: st.DataObject
) -> None:
    good = signed(secret, message_id, body, SENT)
    part = data.draw(st.sampled_from(["body", "id", "signature"]))
    if part == "body":
        place = data.draw(st.integers(0, len(body)))
        other = body[:place] + data.draw(st.binary(min_size=1, max_size=1)) + body[place + 1 :]
        assume(other != body)
        assert refusal(good, other, [secret], SENT) is not None
        return
    text = good[f"webhook-{part}"]
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from("Aa0+=,. ")) + text[place + 1 :]
    assume(changed != text)
    assert refusal(good | {f"webhook-{part}": changed}, body, [secret], SENT) is not None


@given(
    st.dictionaries(st.sampled_from(sorted(headers())), st.text(max_size=80)),
    st.binary(max_size=80),
    st.text("abcXYZ019+/=-_ é", min_size=4, max_size=40).map(lambda text: f"whsec_{text}"),
)
def test_no_headers_or_body_are_an_error_with_a_usable_secret(others: dict[str, str], body: bytes, secret: str) -> None:
    assume(usable_secret(secret))
    assert refusal(headers() | others, body, [secret], SENT) is not None


def passes(body: bytes, secrets: list[str], size: int = 7, **changes: str) -> bool:
    signature = PassingSignature(headers(**changes), secrets)
    for start in range(0, len(body), size):
        signature.update(body[start : start + size])
    return signature.matches()


def test_published_vector_is_accepted_in_pieces() -> None:
    assert passes(BODY, [SECRET])
    assert passes(BODY, [OTHER, SECRET])
    assert not passes(BODY, [OTHER])
    assert not passes(BODY, [])
    assert not passes(BODY + b" ", [SECRET])
    assert not passes(BODY, [SECRET], id="msg_other")
    assert not passes(BODY, [SECRET], signature=GOOD.replace("v1,", "v2,"))


@given(body=st.text().map(str.encode), size=st.integers(1, 9), key=st.binary(min_size=1, max_size=40))
def test_body_in_pieces_has_the_signature_that_the_library_makes(body: bytes, size: int, key: bytes) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    signature = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", SENT, body.decode())
    assert passes(body, [secret], size, signature=signature)
    assert not passes(body + b"x", [secret], size, signature=signature)


@given(secret=st.text("AQg0+/=_-", max_size=12).map("whsec_{}".format))
def test_every_usable_secret_is_one_for_bodies_in_pieces_too(secret: str) -> None:
    assume(usable_secret(secret))
    assert not passes(BODY, [secret])
