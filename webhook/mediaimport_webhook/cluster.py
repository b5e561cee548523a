"""What the shim wants of Kubernetes, and how that can fail: a narrow port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

Resource = dict[str, Any]
"""One object as the API server's JSON has it."""


class ClusterError(Exception):
    """Base of all that the API server can refuse."""


@dataclass(eq=False)
class ClusterUnavailableError(ClusterError):
    """No answer, or none that helps, now: try again."""

    detail: str
    retry_after_s: int = 5


class NameTakenError(ClusterError):
    """409: there is an object of that name already."""


class ConflictError(ClusterError):
    """409: the object has changed since it was read."""


@dataclass(eq=False)
class ManifestRefusedError(ClusterError):
    """The object breaks the schema or a rule; `message` is the API server's sentence."""

    message: str


class HistoryGoneError(ClusterError):
    """410: the watch cannot go on from there; list again."""


@dataclass(frozen=True)
class Page:
    """One page of a list; `next` is empty on the last."""

    items: Sequence[Resource]
    version: int
    next: str = ""


@dataclass(frozen=True)
class Change:
    """One event of a watch; a BOOKMARK only moves the version on."""

    kind: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    resource: Resource


class Cluster(Protocol):
    """One namespace of a cluster. Every method may raise ClusterUnavailableError."""

    async def create_import(self, manifest: Resource) -> Resource:
        """Return the object as created; NameTakenError, ManifestRefusedError."""

    async def get_import(self, name: str) -> Resource | None:
        """Return the object, None if there is none."""

    async def patch_import(self, name: str, patch: Resource) -> Resource | None:
        """Merge `patch` into the object and return it; None if there is none.

        ManifestRefusedError; ConflictError if the patch names another version than the object's.
        """

    async def delete_import(self, name: str, *, version: str) -> Resource | None:
        """Delete the object of that version; return it while a finalizer holds it, else None; ConflictError."""

    async def list_imports(self, *, limit: int, after: str = "", labels: Mapping[str, str] | None = None) -> Page:
        """Return one page of all imports, or of those with these labels; HistoryGoneError for a stale `after`."""

    def watch_imports(self, version: int) -> AsyncIterator[Change]:
        """Yield what changes after that version, until the server ends the watch; HistoryGoneError."""

    async def create_record(self, manifest: Resource) -> None:
        """Create a ConfigMap; NameTakenError."""

    async def get_record(self, name: str) -> Resource | None:
        """Return a ConfigMap, None if there is none."""

    async def list_record_names(self, selector: str) -> Sequence[str]:
        """Return names of ConfigMaps under a label selector, some hundred at most."""

    async def delete_record(self, name: str) -> None:
        """Delete a ConfigMap; it may be gone already."""

    async def tell(self, *, reason: str, message: str) -> None:
        """Post a Warning Event on the shim's own Deployment, if that is known."""
