"""Edits of assets: name, tags and metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.overlay import editable
from mediaimport_webhook.http import bodies, schemas
from mediaimport_webhook.http.conditional import is_match, with_tag
from mediaimport_webhook.routes.media import database_answers, find_asset

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import AssetLookup, Entry, Presenter
    from mediaimport_webhook.imports.edit import Edits


@dataclass(frozen=True)
class EditRoutes:
    """The method PATCH of `media/{id}`."""

    authenticator: Authenticator
    lookup: AssetLookup
    edits: Edits
    presenter: Presenter

    async def edit(self, request: Request) -> Response:
        """Change name, tags or metadata of a stored asset, if it is the one that If-Match names: 200."""
        caller = await self.authenticator.caller(request)
        entry = await find_asset(request, caller, self.lookup)
        body = await bodies.read_model(request, schemas.AssetChanges)
        changes = body.model_dump(exclude_unset=True)

        def is_expected(current: Entry) -> bool:
            return is_match(request, editable(current))

        with database_answers():
            after = await self.edits.edit(entry, changes, is_expected=is_expected)
        return with_tag(await self.presenter.present_whole(after), state=editable(after))
