from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store.presign import Presigner

if TYPE_CHECKING:
    from mediaimport_webhook.store import SignedUrl

KEY = "media/alice/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54/video.mp4"


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


def settings(**changes: str) -> StoreSettings:
    variables = {
        "S3_BUCKET_NAME": "bucket",
        "S3_ACCESS_KEY_ID": "AKIA",
        "S3_SECRET_ACCESS_KEY": "secret",
        "S3_ENDPOINT_URL": "http://store.internal:9000",
        "S3_PUBLIC_ENDPOINT_URL": "https://cdn.example.com",
        "S3_ADDRESSING_STYLE": "path",
    }
    return StoreSettings.read(Environment(variables | changes))


def signer(clock: Clock, **changes: str) -> Presigner:
    return Presigner(settings(**changes), lifetime_s=3600, clock=clock)


def sign(presigner: Presigner, **arguments: str) -> SignedUrl:
    return asyncio.run(presigner.url(KEY, **arguments))


def test_url_is_under_the_public_name_and_ends_when_it_says() -> None:
    clock = Clock()
    signed = sign(signer(clock))
    parts = urlsplit(signed.url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "cdn.example.com", f"/bucket/{KEY}")
    query = parse_qs(parts.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert signed.expires_at == clock.now + timedelta(hours=1)


@pytest.mark.parametrize(("style", "host"), [("virtual", "bucket.cdn.example.com"), ("path", "cdn.example.com")])
def test_addressing_style_is_kept(style: str, host: str) -> None:
    assert urlsplit(sign(signer(Clock(), S3_ADDRESSING_STYLE=style)).url).netloc == host


def test_url_is_used_again_for_half_its_life() -> None:
    clock = Clock()
    presigner = signer(clock)
    first = sign(presigner)
    clock.now += timedelta(minutes=29)
    assert sign(presigner) is first
    clock.now += timedelta(minutes=2)
    assert sign(presigner).expires_at == clock.now + timedelta(hours=1)


@pytest.mark.parametrize(
    ("left", "reused", "signed_again"),
    [
        (timedelta(minutes=20), timedelta(minutes=9), timedelta(minutes=11)),
        (timedelta(seconds=90), timedelta(seconds=59), timedelta(seconds=61)),
        (timedelta(seconds=30), timedelta(seconds=29), timedelta(seconds=31)),
    ],
)
def test_url_of_temporary_credentials_is_used_again_for_half_of_their_life(
    left: timedelta, reused: timedelta, signed_again: timedelta
) -> None:
    clock = Clock()
    presigner = signer(clock)
    begun = clock.now
    presigner._client._request_signer._credentials._expiry_time = begun + left
    first = sign(presigner)
    assert first.expires_at == begun + left
    clock.now = begun + reused
    assert sign(presigner) is first
    clock.now = begun + signed_again
    assert sign(presigner) is not first


@pytest.mark.parametrize("lifetime_s", [10, 100])
def test_short_life_is_used_for_half_of_it(lifetime_s: int) -> None:
    clock = Clock()
    presigner = Presigner(settings(), lifetime_s=lifetime_s, clock=clock)
    first = sign(presigner)
    clock.now += timedelta(seconds=0.4 * lifetime_s)
    assert sign(presigner) is first
    clock.now += timedelta(seconds=0.2 * lifetime_s)
    assert sign(presigner).expires_at == clock.now + timedelta(seconds=lifetime_s)


def headers(name: str, **arguments: str) -> tuple[str | None, str | None]:
    """Return disposition and content type that the store is told to answer with for an object of that name."""
    signed = asyncio.run(signer(Clock()).url(f"{KEY.rpartition('/')[0]}/{name}", **arguments))
    query = parse_qs(urlsplit(signed.url).query)
    disposition, content_type = (query.get(f"response-content-{each}", [None])[0] for each in ("disposition", "type"))
    return disposition, content_type


@pytest.mark.parametrize(
    "name",
    [
        "image.svg",
        "document.pdf",
        "document.xml",
        "document.txt",
        "model3d.gltf",
        "archive.zip",
        "file.bin",
        "page.html",
    ],
)
def test_what_may_hold_a_script_is_saved_by_a_browser_and_never_shown(name: str) -> None:
    assert headers(name) == ("attachment", "application/octet-stream")
    assert headers(name, download_name="a") == ("attachment; filename*=UTF-8''a", "application/octet-stream")


@pytest.mark.parametrize("name", ["video.mp4", "image.png", "image.tiff", "audio.mp3", "thumbnail.jpg"])
def test_picture_video_and_sound_are_shown_unless_they_are_downloaded(name: str) -> None:
    assert headers(name) == (None, None)
    assert headers(name, download_name="a") == ("attachment; filename*=UTF-8''a", None)


def test_download_name_of_hostile_characters_stays_one_parameter() -> None:
    signed = sign(signer(Clock()), download_name='a"\r\nX: y;é.mp4')
    (disposition,) = parse_qs(urlsplit(signed.url).query)["response-content-disposition"]
    assert disposition == "attachment; filename*=UTF-8''a%22%0D%0AX%3A%20y%3B%C3%A9.mp4"


def test_urls_of_one_second_keep_what_they_have_in_common_once() -> None:
    presigner = signer(Clock())

    async def work() -> list[SignedUrl]:
        return [await presigner.url(f"{KEY}{number}") for number in range(50)]

    signed = asyncio.run(work())
    # The signer's own clock may go on meanwhile.
    assert len({id(each.query) for each in signed}) == len({each.query for each in signed}) < 50
    assert len({id(each.expires_at) for each in signed}) == 1
    assert len({each.url for each in signed}) == 50


def test_time_is_told_in_whole_seconds_of_which_the_store_counts_none_less() -> None:
    clock = Clock()
    clock.now += timedelta(microseconds=999_999)
    signed = sign(signer(clock))
    assert signed.expires_at == clock.now.replace(microsecond=0) + timedelta(hours=1)
    assert signed.expires_at_text == signed.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
