from __future__ import annotations

import gc
import weakref

from mediaimport_runtime import long_lived


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_what_stays_is_not_looked_through_and_garbage_goes() -> None:
    kept, dropped = Ring(), Ring()
    gone = weakref.ref(dropped)
    del dropped
    long_lived.freeze()
    try:
        seen = {id(each) for each in gc.get_objects()}
        assert (gone(), id(kept) in seen) == (None, False)
    finally:
        gc.unfreeze()
