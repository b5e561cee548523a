"""data: URIs."""

from __future__ import annotations

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import RefusedError
from mediaimport_importer.source.data_uri import decode


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:,plain%20text", b"plain text"),
        ("data:image/png;base64,aGVsbG8=", b"hello"),
        ("data:image/png;base64,aGVsbG8", b"hello"),
        ("data:;base64,_-8=", b"\xff\xef"),
        ("data:;charset=utf-8;base64,aGVs%62G8=", b"hello"),
        ("data:,", b""),
    ],
)
def test_data_is_what_the_uri_holds(uri: str, data: bytes) -> None:
    assert decode(uri) == data


@pytest.mark.parametrize("uri", ["data:image/png;base64", "data:;base64,!!!!", "data:;base64,a"])
def test_broken_uri_is_the_specs_fault(uri: str) -> None:
    with pytest.raises(RefusedError) as caught:
        decode(uri)

    assert caught.value.reason is Reason.SPEC_INVALID
