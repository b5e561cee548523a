"""Objects of the API as JSON: the fast parser's limits are not ours."""

from __future__ import annotations

import json

import pytest
from mediaimport_runtime.kubernetes.client import allow_deep_json
from mediaimport_runtime.kubernetes.objects import json_bytes, pack, parsed, unpack


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, "\u00e4\U0001f600"]}', '{"a": NaN}', '"\\ud800"', "[" * 2000 + "]" * 2000], ids=len
)
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    allow_deep_json()
    assert repr(parsed(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"a": 1', b"\xff"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parsed(text)


@pytest.mark.parametrize("data", [{"a": 1.5, "b": "\u00e4"}, {"a": 2**70}, {"a": "\u2028"}], ids=str)
def test_object_is_written_without_spaces_and_read_again(data: dict[str, object]) -> None:
    assert json_bytes(data) == json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    assert unpack(pack(data)) == data


def test_half_a_surrogate_pair_is_a_unicode_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        json_bytes({"a": "\ud800"})
