"""Errors of the Kubernetes API, named by what the caller does next.

    KubernetesError
    ├── NotFoundError            404        the object is not there (any more)
    ├── ConflictError            409        the object has changed since it was read: read it again
    │   └── AlreadyExistsError   409, POST  an object of that name is there: look whose it is
    ├── ExpiredError             410        the list's or watch's place is gone: list again
    ├── RefusedError                        the API server understands and will not: somebody must change something
    │   ├── ForbiddenError       403        permission, quota, admission policy
    │   └── InvalidError         400 413 422  schema or rule
    └── UnavailableError         401 429 5xx, no answer, an answer that is not the API's: try again later

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MESSAGE = 1024
"""Characters of the API server's sentence that an error keeps."""
DEFAULT_RETRY_AFTER_S = 5
MAX_NAMED_WAIT_S = 300
"""A longer Retry-After is not waited for: it may be a proxy's."""


class KubernetesError(Exception):
    """A request to the API server did not do what was asked.

    `message` is the API server's own sentence, bounded, without URL queries or credentials.
    """

    def __init__(self, message: str = "", *, status: int = 0) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.message = message
        self.status = status


class NotFoundError(KubernetesError):
    """The object is not there (any more)."""


class ConflictError(KubernetesError):
    """The object has changed since it was read."""


class AlreadyExistsError(ConflictError):
    """An object of that name is there already."""


class ExpiredError(KubernetesError):
    """The list's or the watch's place in history is gone: list again."""


class RefusedError(KubernetesError):
    """The API server understands and will not; the same request will not succeed until somebody changes something."""


class ForbiddenError(RefusedError):
    """A permission, a quota or an admission policy is against it."""


class InvalidError(RefusedError):
    """The object breaks the schema or a rule."""


class UnavailableError(KubernetesError):
    """The API server gave no usable answer now; the same request may succeed after `retry_after_s` seconds.

    `named_wait_s` is the wait that the API server itself named by Retry-After, at most MAX_NAMED_WAIT_S; 0 if it named
    none. No loop repeats the request earlier.
    """

    def __init__(self, message: str = "", *, status: int = 0, retry_after_s: int | None = None) -> None:
        super().__init__(message, status=status)
        self.named_wait_s = min(retry_after_s or 0, MAX_NAMED_WAIT_S)
        self.retry_after_s = DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s


def named_wait_s(error: Exception) -> int:
    """Return the wait that the API server has named with that error, 0 if it has named none."""
    return error.named_wait_s if isinstance(error, UnavailableError) else 0


_BY_STATUS: dict[int, type[KubernetesError]] = {
    400: InvalidError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    413: InvalidError,
    422: InvalidError,
}


def error_of(method: str, status: int, body: bytes, headers: Mapping[str, str]) -> KubernetesError:
    """Return the error for a status code that is not 2xx. Only a POST creates: elsewhere 409 is a changed object."""
    message = _message(body)
    kind = _BY_STATUS.get(status)
    if kind is None:
        return UnavailableError(message, status=status, retry_after_s=_retry_after_s(headers))
    if kind is ConflictError and method == "POST":
        return AlreadyExistsError(message, status=status)
    return kind(message, status=status)


def _message(body: bytes) -> str:
    text = body.decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        text = str(json.loads(text)["message"])
    return public(text, MAX_MESSAGE) or "no reason given"


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    wait = headers.get("Retry-After", "")
    return int(wait) if wait.isascii() and wait.isdecimal() and len(wait) <= 4 else None  # noqa: PLR2004 - 9999 s is long enough
