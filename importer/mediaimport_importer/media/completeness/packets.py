"""Ends of streams of packets: Ogg pages, MPEG transport and program streams."""

from __future__ import annotations

from mediaimport_importer.media.completeness.reading import Bytes, Completeness, big, unknown_if, whole_if

# --- Ogg: pages with an end-of-stream flag, https://www.rfc-editor.org/rfc/rfc3533 ---

_PAGE_HEADER = 27
_END_OF_STREAM = 0x04


def ogg(data: Bytes) -> Completeness:
    """Follow the pages; each logical stream ends with a page that says so."""
    at, open_streams, ended = 0, set(), set()
    while at < len(data):
        if data[at : at + 4] != b"OggS" or at + _PAGE_HEADER > len(data):
            return Completeness.CUT
        segments = data[at + 26]
        sizes = data[at + _PAGE_HEADER : at + _PAGE_HEADER + segments]
        serial, flags = bytes(data[at + 14 : at + 18]), data[at + 5]
        open_streams.add(serial)
        if flags & _END_OF_STREAM:
            ended.add(serial)
        if len(sizes) < segments:
            return Completeness.CUT
        at += _PAGE_HEADER + segments + sum(sizes)
    return whole_if(at == len(data) and open_streams == ended)


# --- MPEG-2 transport stream: packets of one size, ISO/IEC 13818-1, section 2.4.3 ---

_SYNC = 0x47
_PACKETS = ((188, 0), (192, 4))
"""Sizes of a packet, and where its sync byte is: M2TS has a time code before it."""
_CHECKED_PACKETS = 50_000
"""Of the end of the file: the last PES packet of a stream has rarely more than a second."""


def transport_stream(data: Bytes) -> Completeness:
    """Count whole packets; in the last ones no stream may end within a PES packet that says its size."""
    size, sync = next(
        ((size, at) for size, at in _PACKETS if data[at] == data[size + at] == _SYNC),
        (0, 0),
    )
    if size == 0:
        return Completeness.UNKNOWN
    count, rest = divmod(len(data), size)
    if rest:
        return Completeness.CUT
    missing: dict[int, int] = {}
    for number in range(max(0, count - _CHECKED_PACKETS), count):
        at = number * size + sync
        if data[at] != _SYNC:
            return Completeness.UNKNOWN
        _take_packet(bytes(data[at : at + 188]), missing)
    # A cut before a PES packet does not show, nor one in a PES packet of video, which need not say its size.
    return unknown_if(all(each <= 0 for each in missing.values()))


def _take_packet(packet: bytes, missing: dict[int, int]) -> None:
    """Count a packet's payload: `missing` are the bytes that the PES packet of each stream still lacks."""
    stream = big(packet, 1, 2) & 0x1FFF
    start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    payload = packet[start:] if packet[3] & 0x10 else b""
    if packet[1] & 0x40:
        size = big(payload, 4, 2)
        missing[stream] = 6 + size if payload[:3] == b"\0\0\1" and size else 0
    missing[stream] = missing.get(stream, 0) - len(payload)


# --- MPEG program stream: packs and PES packets, ISO/IEC 11172-1 and 13818-1, section 2.5.3 ---

_END_CODE, _PACK, _SYSTEM = 0xB9, 0xBA, 0xBB


def program_stream(data: Bytes) -> Completeness:
    """Follow packs and PES packets, to the end code if there is one: many writers leave it out."""
    at = 0
    while at + 4 <= len(data):
        code = data[at + 3]
        if data[at : at + 3] != b"\0\0\1" or code < _END_CODE:
            # Padding, or what no walk can follow.
            return Completeness.UNKNOWN
        if code == _END_CODE:
            return Completeness.WHOLE
        at += _pack_bytes(data, at) if code == _PACK else 6 + big(data, at + 4, 2)
    return unknown_if(at == len(data))


def _pack_bytes(data: Bytes, at: int) -> int:
    """Return the size of a pack's header: MPEG-1 has no stuffing."""
    is_mpeg2 = data[at + 4] >> 6 == 1
    return 14 + (data[at + 13] & 7) if is_mpeg2 else 12
