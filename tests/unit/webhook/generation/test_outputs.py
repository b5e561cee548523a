from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_webhook.generation.outputs import Output, media_outputs

if TYPE_CHECKING:
    from pydantic import JsonValue

HOST = "https://replicate.delivery"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(f"{HOST}/a.mp4", {"": "a.mp4"}, id="a text"),
        pytest.param([f"{HOST}/a.png", f"{HOST}/b.png"], {"/0": "a.png", "/1": "b.png"}, id="a list"),
        pytest.param({"vocals": f"{HOST}/v.mp3", "guitar": None}, {"/vocals": "v.mp3"}, id="a dict with nulls"),
        pytest.param(
            {"zip": f"{HOST}/inputs.zip", "video": f"{HOST}/animated.gif"}, {"/video": "animated.gif"}, id="mixed dict"
        ),
        pytest.param([f"{HOST}/data.JSON", f"{HOST}/a.webm"], {"/1": "a.webm"}, id="mixed list"),
        pytest.param({"segments": [{"audio": f"{HOST}/s.wav"}]}, {"/segments/0/audio": "s.wav"}, id="nested"),
        pytest.param(["Hel", "lo", " https:// ", "see https://x.test/a.mp4 there"], {}, id="plain text"),
        pytest.param(None, {}, id="null, its data removed"),
        pytest.param([1, 2.5, True, {}, []], {}, id="no texts at all"),
        pytest.param(f"{HOST}/pbxt/abc/out", {"": "out"}, id="no ending"),
        pytest.param(f"{HOST}/a.mp4?sig=x.zip", {"": "a.mp4"}, id="a query"),
        pytest.param({"a/b": {"c~d": f"{HOST}/x.mp4"}}, {"/a~1b/c~0d": "x.mp4"}, id="keys to escape"),
        pytest.param("HTTPS://replicate.delivery/A.MP4", {"": "A.MP4"}, id="upper case"),
        pytest.param("ftp://replicate.delivery/a.mp4", {}, id="another scheme"),
        pytest.param("https://[::1/a.mp4", {}, id="a URL that cannot be parsed"),
    ],
)
def test_every_shape_of_output_is_walked(output: JsonValue, expected: dict[str, str]) -> None:
    found = media_outputs(output)
    assert {each.pointer: each.file_name for each in found} == expected


@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        ("data:video/mp4;base64,AAAA", True),
        ("data:application/octet-stream;base64,AAAA", True),
        ("data:text/plain,hello", False),
        ("data:,hello", False),
        ("data:videogame,x", False),
    ],
)
def test_data_uri_counts_by_its_type(uri: str, *, taken: bool) -> None:
    assert media_outputs([uri]) == ([Output("/0", uri)] if taken else [])


def test_url_that_stands_twice_is_one_output() -> None:
    url = f"{HOST}/a.mp4"
    assert media_outputs({"video": url, "preview": url}) == [Output("/preview", url)]


def test_output_without_end_of_depth_is_left_alone() -> None:
    deep: JsonValue = f"{HOST}/a.mp4"
    for _ in range(500):
        deep = [deep]
    assert media_outputs(deep) == []
