from __future__ import annotations

import json
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
            {"zip": f"{HOST}/inputs.zip", "video": f"{HOST}/animated.gif"},
            {"/video": "animated.gif", "/zip": "inputs.zip"},
            id="mixed dict",
        ),
        pytest.param([f"{HOST}/data.JSON", f"{HOST}/a.webm"], {"/0": "data.JSON", "/1": "a.webm"}, id="mixed list"),
        pytest.param(f"{HOST}/model.glb", {"": "model.glb"}, id="a 3D model"),
        pytest.param([f"{HOST}/report.HTML", f"{HOST}/a.webm"], {"/1": "a.webm"}, id="a page"),
        pytest.param(f" \n{HOST}/a.mp4\r\n", {"": "a.mp4"}, id="blanks around it"),
        pytest.param(f"{HOST}/a.png\n\n{HOST}/b.png\n", {"/0": "a.png", "/1": "b.png"}, id="URLs on lines"),
        pytest.param(f"{HOST}/a.png, {HOST}/b.png", {"/0": "a.png", "/1": "b.png"}, id="URLs with commas"),
        pytest.param(f"{HOST}/a.png,{HOST}/b.png", {"/0": "a.png", "/1": "b.png"}, id="URLs with commas alone"),
        pytest.param(f"{HOST}/w_3,h_2/a.png", {"": "a.png"}, id="a comma in a URL"),
        pytest.param(f"<{HOST}/a.png>", {"": "a.png"}, id="a URL in angle brackets"),
        pytest.param(f"\ufeff{HOST}/a.png\n", {"": "a.png"}, id="a byte order mark"),
        pytest.param(f'\ufeff["{HOST}/m.ply"]', {"/0": "m.ply"}, id="JSON behind a byte order mark"),
        pytest.param({"x": f"{HOST}/a.png\n{HOST}/p.html"}, {"/x/0": "a.png"}, id="a page on a line"),
        pytest.param(f'{{"mesh": "{HOST}/m.ply"}}', {"/mesh": "m.ply"}, id="JSON in a text"),
        pytest.param([f'["{HOST}/m.ply"]'], {"/0/0": "m.ply"}, id="JSON in a text in a list"),
        pytest.param(f'"{HOST}/m.ply"', {"": "m.ply"}, id="a quoted text"),
        pytest.param('{"mesh": ', {}, id="broken JSON"),
        pytest.param('"' * 3, {}, id="quotes"),
        pytest.param(f"Here it is: {HOST}/a.mp4", {}, id="a sentence with a URL"),
        pytest.param(f"![a cat]({HOST}/a.png)", {}, id="Markdown with a URL"),
        pytest.param(f"{HOST}/a.png\nHere it is.", {}, id="a URL and a sentence"),
        pytest.param(["See", f" {HOST}/a.png", " for", " more", "."], {}, id="tokens with a URL"),
        pytest.param(["It is ", f"{HOST}/a.png"], {}, id="two tokens with a URL"),
        pytest.param([f"{HOST}/a.png", "a cat"], {"/0": "a.png"}, id="a picture and its caption"),
        pytest.param([f"{HOST}/a.png", {"note": "a cat"}], {"/0": "a.png"}, id="a picture and an object"),
        pytest.param([f"{HOST}/a.png", "", None], {"/0": "a.png"}, id="a picture and nothing"),
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
        ("data:text/csv;charset=utf-8;base64,AAAA", True),
        ("data:model/gltf-binary;base64,AAAA", True),
        ("data:application/json;base64,e30=", True),
        ("data:text/html;base64,AAAA", False),
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


def test_json_in_json_without_end_is_left_alone() -> None:
    text = f"{HOST}/a.mp4"
    for _ in range(12):
        text = json.dumps(text)
    assert media_outputs(text) == [Output("", f"{HOST}/a.mp4")]
    assert media_outputs("[" * 100_000) == []
    assert media_outputs(json.dumps("[" * 5000 + "]" * 5000)) == []
