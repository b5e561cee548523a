"""Failures of an attempt, named by their consequence. A message never holds a URL's query, a header or a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.reasons import MAX_MESSAGE

if TYPE_CHECKING:
    from mediaimport_api.reasons import Reason
    from mediaimport_api.sidecar import Sidecar


class AttemptError(Exception):
    """The end of an attempt; `reason` says whether another attempt can follow."""

    def __init__(
        self, reason: Reason, message: str, *, http_status: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.http_status = http_status
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Tell whether another attempt may succeed."""
        return self.reason.retryable

    @property
    def public_message(self) -> str:
        """Return the message as one printable line of bounded length."""
        text = " ".join("".join(char if char.isprintable() else " " for char in str(self)).split())
        return text[:MAX_MESSAGE]


class RefusedError(AttemptError):
    """A permanent failure: the author or the administrator has to change something."""


class UnavailableError(AttemptError):
    """A temporary failure of something external; the same attempt may succeed later."""


class CredentialsExpiredError(UnavailableError):
    """Temporary credentials have expired: only another attempt gets new ones."""


class StarvedProberError(UnavailableError):
    """The prober had no CPU time for the media, also with more patience: it is kept without description."""


class InterruptedAttemptError(BaseException):
    """SIGTERM: Kubernetes stops the pod. No Exception, so that no handler on the way takes it for its own failure."""


class ObjectExistsError(Exception):
    """A conditional write (If-None-Match, If-Match) found an object: the attempt goes on to find out whose it is."""


class AlreadyStoredError(Exception):
    """An earlier attempt has stored the asset: this one reports it, and restores a thumbnail that was lost."""

    def __init__(self, sidecar: Sidecar, *, has_thumbnail: bool) -> None:
        super().__init__("the asset is stored already")
        self.sidecar = sidecar
        self.has_thumbnail = has_thumbnail
