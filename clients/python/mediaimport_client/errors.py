"""Errors of the client. What httpx raises when no answer comes passes through as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaimport_client.types import Asset, Job, ProblemDetails


class MediaImportError(Exception):
    """Base of the errors below."""


class ProblemError(MediaImportError):
    """Answer of the API that is no success.

    `status` is HTTP's, `problem` its details (RFC 9457; None where something in front of the API answered),
    `retry_after_s` the seconds of the header Retry-After (None without it).
    """

    def __init__(self, status: int, problem: ProblemDetails | None, retry_after_s: float | None) -> None:
        super().__init__(_sentence(status, problem))
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s

    @property
    def slug(self) -> str:
        """Return the stable last part of the problem's `type`, such as `not-found`; empty without details."""
        return "" if self.problem is None else self.problem["type"].rpartition("/")[2]


class AssetFailedError(MediaImportError):
    """The import has failed, after all its attempts; `asset` has the reason."""

    def __init__(self, asset: Asset) -> None:
        super().__init__(f"{asset['reason']}: {asset['metadata']['error'] or asset['name']}")
        self.asset = asset


class GenerationFailedError(MediaImportError):
    """The generator has failed, or has made nothing that can be imported; `job` tells."""

    def __init__(self, job: Job) -> None:
        super().__init__(job["error"] or f"the prediction {job['job_id']} has failed")
        self.job = job


class WaitTimeoutError(MediaImportError, TimeoutError):
    """The time to wait is over; what was waited for goes on."""


class WebhookVerificationError(MediaImportError):
    """A message that nobody with the key has signed, or that is too old."""


def _sentence(status: int, problem: ProblemDetails | None) -> str:
    if problem is None:
        return str(status)
    fields = (f"{each['pointer']}: {each['detail']}" for each in problem.get("errors", []))
    return " ".join([str(status), problem["title"], problem["detail"], *fields])
