"""How an attempt can fail, named by what follows from it. Messages never hold a URL's query, a header or a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import MAX_MESSAGE

if TYPE_CHECKING:
    from mediaimport_api.sidecar import Sidecar


class AttemptError(Exception):
    """This attempt is over; `reason` says whether another can follow."""

    def __init__(
        self, reason: Reason, message: str, *, http_status: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.http_status = http_status
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Tell whether another attempt can end better."""
        return self.reason.retryable

    @property
    def public_message(self) -> str:
        """Return what happened, to what, and what to do: one line, printable, bounded."""
        text = " ".join("".join(char if char.isprintable() else " " for char in str(self)).split())
        return text[:MAX_MESSAGE]


class RefusedError(AttemptError):
    """Another attempt would end the same: the author or the administrator has to change something."""


class UnavailableError(AttemptError):
    """Something outside cannot now; the same attempt may succeed later."""


class InterruptedAttemptError(AttemptError):
    """The pod was told to stop."""

    def __init__(self) -> None:
        super().__init__(Reason.INTERRUPTED, "the importer was told to stop (SIGTERM); it is tried again")


class ObjectExistsError(Exception):
    """A conditional write met an object: the attempt goes on to see whose it is."""


class AlreadyStoredError(Exception):
    """A former attempt has stored the asset: this one has only to say so, and to mend a thumbnail that was lost."""

    def __init__(self, sidecar: Sidecar, *, has_thumbnail: bool) -> None:
        super().__init__("the asset is stored already")
        self.sidecar = sidecar
        self.has_thumbnail = has_thumbnail
