from __future__ import annotations

import pytest
from mediaimport_runtime.kubernetes import quantity
from mediaimport_runtime.kubernetes.patch import merge_patch
from mediaimport_runtime.text import duration_text, public, size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1_500_000, "1.4 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**50, "1024.0 TiB"),
    ],
)
def test_sizes_read_well(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0.0s"), (5200, "5.2s"), (59_940, "59.9s"), (59_960, "1m00s"), (65_000, "1m05s"), (7_380_000, "2h03m")],
)
def test_durations_read_well(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


def test_public_text_keeps_the_urls_path_and_drops_its_query_and_credentials() -> None:
    assert public("at HTTPS://u:p@h.example/a/b.mp4?X-Sig=1#f: gone", 99) == "at HTTPS://h.example/a/b.mp4 gone"


def test_public_text_is_bounded() -> None:
    assert public("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("256Mi", 256 * 1024**2), ("1.5Gi", 1536 * 1024**2), ("2G", 2 * 10**9), ("77", 77), ("1k", 1000)],
)
def test_quantities_are_read(text: str, size_bytes: int) -> None:
    assert quantity.size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "-1Mi", "1 Mi", "1mi", "Mi", "1e3", "10MB"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity of bytes"):
        quantity.size_bytes(text)


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_merge_patch_is_the_difference(
    before: dict[str, object], after: dict[str, object], patch: dict[str, object]
) -> None:
    assert merge_patch(before, after) == patch
