"""Whether an image file ends as its format does: ffprobe takes one that was cut for whole. Pure."""

from __future__ import annotations

TAIL_BYTES = 64 * 1024


def is_cut(extension: str, *, head: bytes, tail: bytes, size_bytes: int) -> bool:
    """Tell whether the end is missing. `tail`: the last TAIL_BYTES; what may follow the end is passed over."""
    if extension == "jpg":
        # Inside the compressed data neither marker can stand; before it an embedded preview has both.
        return tail.rfind(b"\xff\xd9") <= tail.rfind(b"\xff\xda")
    if extension == "png":
        return b"IEND" not in tail
    if extension == "webp":
        return int.from_bytes(head[4:8], "little") + 8 > size_bytes
    return False
