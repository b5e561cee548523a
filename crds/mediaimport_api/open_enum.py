"""Sets to which a newer release may add members. Without pydantic, which takes long to import."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

_MAX_MEMBER = 64


class OpenEnum(StrEnum):
    """A set to which a newer release may add members: read, they are kept as they are."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not value.isalnum() or len(value) > _MAX_MEMBER:
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """True for a member of this release."""
        return self in set(type(self))
