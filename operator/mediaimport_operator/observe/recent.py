"""Objects as they were read last: most reconciles of an import follow an event of its pod, and read the rest again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 256
"""Objects that are kept as they were read, of five kilobytes each."""

T = TypeVar("T")


class Recent(Generic[T]):
    """The MOST objects asked for last, as they were read, by uid."""

    def __init__(self) -> None:
        self._read: dict[str, T] = {}

    def get(self, uid: str, read: Callable[[], T]) -> T:
        """Return what was read of the object; it is read if it was not, or was forgotten."""
        known = self._read.pop(uid, None)
        if known is None:
            known = read()
        self._read[uid] = known
        if len(self._read) > MOST:
            del self._read[next(iter(self._read))]
        return known

    def forget(self, uid: str) -> None:
        """Forget an object that has changed, or is gone."""
        self._read.pop(uid, None)
