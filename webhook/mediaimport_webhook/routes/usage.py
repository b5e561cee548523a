"""Usage: stored assets and bytes of a user, by month, what is stored twice, and the quota."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.http import bodies, problems, schemas
from mediaimport_webhook.routes.media import database_answers, require_synced

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import Listing, Reflector
    from mediaimport_webhook.catalogue.totals import Duplicates, Total


@dataclass(frozen=True)
class UsageRoutes:
    """The route `usage`."""

    authenticator: Authenticator
    listing: Listing
    reflector: Reflector
    quota_bytes: int | None

    async def show(self, request: Request) -> Response:
        """Return the usage of the caller; of an admin, that of everybody, or of the user that is named."""
        caller = await self.authenticator.caller(request)
        named = _user_parameter(request)
        user = named if caller.admin else caller.user_id
        require_synced(self.reflector)
        with database_answers():
            totals = await self.listing.totals(user_id=user)
            duplicates = await self.listing.duplicates(user_id=user)
        return bodies.JsonResponse(_usage(user, totals, duplicates, quota_bytes=self.quota_bytes))


def _user_parameter(request: Request) -> str | None:
    names = [name for name, _ in request.query_params.multi_items()]
    errors = [problems.FieldError(f"?{each}", "is not a parameter of this route") for each in names if each != "user"]
    if names.count("user") > 1:
        errors.append(problems.FieldError("?user", "is given twice"))
    if errors:
        raise problems.invalid(errors)
    return request.query_params.get("user")


def _usage(user: str | None, totals: list[Total], duplicates: Duplicates, *, quota_bytes: int | None) -> schemas.Usage:
    counts, sizes = Counter[str](), Counter[str]()
    for each in totals:
        if each.status == "ready":
            counts[each.month] += each.count
            sizes[each.month] += each.size_bytes
    return {
        "user": user,
        "total": {"assets": counts.total(), "bytes": sizes.total()},
        "quota_bytes": None if user is None else quota_bytes,
        "months": [{"month": each, "assets": counts[each], "bytes": sizes[each]} for each in sorted(counts)],
        "duplicates": {"assets": duplicates.count, "bytes": duplicates.size_bytes},
    }
