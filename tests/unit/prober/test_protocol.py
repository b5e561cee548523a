"""The prober's protocol: what one side writes the other reads, and nothing else gets through."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.spec import ThumbnailFrame
from mediaimport_prober.protocol import (
    MAX_PAYLOAD_BYTES,
    MAX_REQUEST_BYTES,
    Failure,
    PacketsRequest,
    Picture,
    ProbeRequest,
    ProtocolError,
    Request,
    Response,
    ThumbnailRequest,
    encode,
    read_request,
    read_response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True)


def a_thumbnail(**fields: object) -> ThumbnailRequest:
    return ThumbnailRequest.model_validate(fields)


REQUESTS = st.one_of(
    st.builds(ProbeRequest, file=NAMES),
    st.builds(lambda file, from_s: PacketsRequest(file=file, from_s=from_s), NAMES, st.floats(0, 1e9)),
    st.builds(
        a_thumbnail,
        file=NAMES,
        width_pixels=st.integers(16, 1920),
        frame=st.sampled_from(ThumbnailFrame),
        picture=st.sampled_from(Picture),
        tone_map=st.booleans(),
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def reader(data: bytes) -> Callable[[int], bytes]:
    """Return a read_exactly of those bytes that never gives more memory than was asked for."""
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        assert size <= MAX_PAYLOAD_BYTES
        part = data[position : position + size]
        position += size
        if len(part) < size:
            raise ProtocolError("ended")
        return part

    return read


def framed(text: bytes) -> bytes:
    return struct.pack("!I", len(text)) + text


@given(REQUESTS)
def test_request_arrives_as_it_was(request: Request) -> None:
    assert read_request(reader(encode(request))) == request


@given(st.binary(max_size=2000), st.sampled_from([None, *Failure]))
def test_response_arrives_as_it_was(payload: bytes, failure: Failure | None) -> None:
    response = Response(failure=failure, document={"a": [1]}, luma=1.5, payload_bytes=len(payload))

    assert read_response(reader(encode(response, payload))) == (response, payload)


@given(st.binary(max_size=500))
def test_garbage_is_no_request_and_no_response(data: bytes) -> None:
    for read in (read_request, read_response):
        with pytest.raises(ProtocolError):
            read(reader(data))


@given(st.binary(min_size=1, max_size=300), st.data())
def test_message_with_changed_bytes_is_refused_or_stays_within_the_limits(payload: bytes, data: st.DataObject) -> None:
    sent = bytearray(encode(Response(document={"a": [1]}, luma=1.5, payload_bytes=len(payload)), payload))
    for _ in range(data.draw(st.integers(1, 4))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    try:
        response, received = read_response(reader(bytes(sent)))
    except ProtocolError:
        return
    assert len(received) == response.payload_bytes <= MAX_PAYLOAD_BYTES
    assert len(response.message) <= 512


@given(JSON)
def test_other_json_is_no_request(value: object) -> None:
    with pytest.raises(ProtocolError):
        read_request(reader(framed(json.dumps(value).encode()[:MAX_REQUEST_BYTES])))


@given(st.dictionaries(st.sampled_from([*ThumbnailRequest.model_fields, "widthPixels", "other"]), JSON))
def test_request_with_other_values_is_none(fields: dict[str, object]) -> None:
    try:
        request = read_request(reader(framed(json.dumps(fields | {"operation": "thumbnail"}).encode())))
    except ProtocolError:
        return
    assert isinstance(request, ThumbnailRequest)
    assert request.file.replace("-", "").isalnum()


@pytest.mark.parametrize(
    "file", ["../secret", "/etc/passwd", "a/b", "", ".", "..", "a.mp4", "A", "a" * 65, "concat:a", "a\n"]
)
def test_file_is_a_plain_name(file: str) -> None:
    text = json.dumps({"version": 1, "operation": "probe", "file": file}).encode()

    with pytest.raises(ProtocolError):
        read_request(reader(framed(text)))


def test_other_version_is_no_request() -> None:
    with pytest.raises(ProtocolError):
        read_request(reader(framed(b'{"version": 2, "operation": "probe", "file": "a"}')))


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 - 1])
def test_length_is_bounded_before_it_is_believed(length: int) -> None:
    for read in (read_request, read_response):
        with pytest.raises(ProtocolError):
            read(reader(struct.pack("!I", length) + b"{}" * 100))


def test_payload_is_bounded_before_it_is_believed() -> None:
    with pytest.raises(ProtocolError):
        read_response(reader(framed(b'{"payloadBytes": 99999999999}')))


def test_deeply_nested_json_is_refused() -> None:
    for read in (read_request, read_response):
        with pytest.raises(ProtocolError):
            read(reader(framed(b"[" * 4000)))
