"""The protocol between importer and prober, documented in docs/prober-protocol.md.

A message is a length of 4 bytes (big-endian), that many bytes of JSON, then `payloadBytes` of payload. One request,
one response, one connection. Neither side trusts the other: every length is checked before it is used.
"""

from __future__ import annotations

import json
import struct
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mediaimport_api.model import Model
from mediaimport_api.spec import ThumbnailFrame
from pydantic import Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1
MAX_REQUEST_BYTES = 4 * 1024
MAX_RESPONSE_BYTES = 512 * 1024
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
MAX_PATIENCE = 8
_LENGTH = struct.Struct("!I")


class ProtocolError(Exception):
    """The peer violated the protocol."""


class SilentPeerError(ProtocolError):
    """The peer did not send the whole message in time."""


class PeerClosedError(ProtocolError):
    """The peer closed the connection before the end of a message."""


class Picture(StrEnum):
    """The picture of a thumbnail: the main video stream, or the attached cover."""

    MAIN = "main"
    ATTACHED = "attached"


MAX_STREAMS = 64
FORMAT_FIELDS = (
    "nb_streams", "format_name", "format_long_name", "start_time", "duration", "size", "bit_rate", "probe_score",
)  # fmt: skip
FORMAT_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "creation_time")
STREAM_FIELDS = (
    "index", "codec_name", "codec_long_name", "profile", "codec_type", "codec_tag_string", "width", "height",
    "coded_width", "coded_height", "sample_aspect_ratio", "display_aspect_ratio", "pix_fmt", "level", "color_range",
    "color_space", "color_transfer", "color_primaries", "field_order", "sample_fmt", "sample_rate", "channels",
    "channel_layout", "bits_per_sample", "bits_per_raw_sample", "r_frame_rate", "avg_frame_rate", "time_base",
    "start_time", "duration", "bit_rate", "nb_frames",
)  # fmt: skip
STREAM_DISPOSITIONS = ("default", "attached_pic", "still_image", "timed_thumbnails")
STREAM_TAGS = ("language", "alpha_mode", "rotate", "creation_time")
FRAME_FIELDS = ("width", "height", "pix_fmt")
SIDE_DATA_FIELDS = ("side_data_type", "rotation")
"""The fields of ffprobe's JSON that a probe's document may have: the prober asks for no others, the importer keeps no
others."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
"""The name of a file in the scratch directory, without path, suffix and characters that ffmpeg interprets."""


Patience = Annotated[int, Field(ge=1, le=MAX_PATIENCE)]
"""The factor of the time by the clock, for a file that the node had no time for: not of the CPU time."""


class ProbeRequest(Model):
    """Request for ffprobe's description of a file."""

    version: Literal[1] = 1
    operation: Literal["probe"] = "probe"
    file: Name
    patience: Patience = 1


class PacketsRequest(Model):
    """Request for the number and the end of a file's packets, from `from_s` on."""

    version: Literal[1] = 1
    operation: Literal["packets"] = "packets"
    file: Name
    patience: Patience = 1
    from_s: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0


class ThumbnailRequest(Model):
    """Request for a JPEG of a file, at most `width_pixels` wide."""

    version: Literal[1] = 1
    operation: Literal["thumbnail"] = "thumbnail"
    file: Name
    patience: Patience = 1
    width_pixels: Annotated[int, Field(ge=16, le=1920)]
    frame: ThumbnailFrame = ThumbnailFrame.FIRST
    picture: Picture = Picture.MAIN
    tone_map: bool = False


Request = ProbeRequest | PacketsRequest | ThumbnailRequest
_REQUESTS: dict[str, type[ProbeRequest | PacketsRequest | ThumbnailRequest]] = {
    "probe": ProbeRequest,
    "packets": PacketsRequest,
    "thumbnail": ThumbnailRequest,
}


class Failure(StrEnum):
    """The reason for a response without an answer."""

    BAD_REQUEST = "badRequest"
    NO_FILE = "noFile"
    NOT_ALLOWED = "notAllowed"
    """A container or codec that is not on the whitelist."""
    TOO_MANY_PIXELS = "tooManyPixels"
    TOOL_FAILED = "toolFailed"
    """ffprobe or ffmpeg ended with an error; `message` is its last line."""
    TOO_LONG = "tooLong"
    """The tool used up its CPU time."""
    NO_TIME = "noTime"
    """The node gave the tool less than its CPU time, in twice that by the clock: this is no fault of the file."""
    TOO_MUCH = "tooMuch"
    """The tool exceeded its output limit."""
    OUT_OF_MEMORY = "outOfMemory"
    """The tool needs more memory than the prober has: this is no fault of the file."""
    PROBER_FAILED = "proberFailed"
    """The prober itself failed; `message` has the type of its error."""


class Response(Model):
    """The response: `document` for probe and packets, a payload for thumbnail, otherwise `failure`."""

    version: Literal[1] = 1
    failure: Failure | None = None
    message: Annotated[str, Field(max_length=512)] = ""
    document: dict[str, Any] | None = None
    luma: Annotated[float, Field(ge=0, le=65535)] | None = None
    """Mean brightness of the thumbnail's frame, 0 to 255."""
    payload_bytes: Annotated[int, Field(ge=0, le=MAX_PAYLOAD_BYTES)] = 0


def encode(message: Request | Response, payload: bytes = b"") -> bytes:
    """Return the message as it is sent."""
    text = json.dumps(message.to_wire(), separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text + payload


def _read_json(read_exactly: Callable[[int], bytes], max_bytes: int) -> bytes:
    (length,) = _LENGTH.unpack(read_exactly(_LENGTH.size))
    if not len(b"{}") <= length <= max_bytes:
        raise ProtocolError(f"a message of {length} bytes, the limit is {max_bytes}")
    return read_exactly(length)


def read_request(read_exactly: Callable[[int], bytes]) -> Request:
    """Return the request; ProtocolError if it is invalid."""
    text = _read_json(read_exactly, MAX_REQUEST_BYTES)
    try:
        fields = json.loads(text)
        kind = _REQUESTS[fields["operation"]]
        return kind.model_validate(fields)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ProtocolError("not a request of this version") from error


def read_response(read_exactly: Callable[[int], bytes]) -> tuple[Response, bytes]:
    """Return the response and its payload; ProtocolError if it is invalid."""
    text = _read_json(read_exactly, MAX_RESPONSE_BYTES)
    try:
        response = Response.model_validate_json(text)
    except (ValidationError, RecursionError) as error:
        raise ProtocolError("not a response of this version") from error
    return response, read_exactly(response.payload_bytes) if response.payload_bytes else b""
