"""Long-lived objects, kept out of the garbage collector's sight: a whole collection looks through all that it sees."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Collect what is garbage now, and never look through the rest again. It goes as soon as nothing refers to it.

    A cycle of it that nobody refers to later stays in memory: call it rarely, after what was made stays.
    """
    gc.collect()
    gc.freeze()
