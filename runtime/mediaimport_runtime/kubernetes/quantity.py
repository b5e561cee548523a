"""Kubernetes quantities of bytes: `256Mi`, `10Gi`, `1.5G`."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?")
_FACTOR: dict[str | None, int] = {
    None: 1,
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", start=1)},
    **{unit: 1000**power for power, unit in enumerate("kMGTP", start=1)},
}


def size_bytes(quantity: str) -> int:
    """Return the bytes of a quantity; ValueError if it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity of bytes; write it like 256Mi")
    return int(Decimal(match[1]) * _FACTOR[match[2]])


def times(quantity: str, factor: int) -> str:
    """Return that many times the quantity, in bytes."""
    return str(size_bytes(quantity) * factor)
