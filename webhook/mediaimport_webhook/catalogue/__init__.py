"""Read side: a cache of MediaImports that a watch feeds, and the assets that the API shows of it."""

from __future__ import annotations

from mediaimport_webhook.catalogue.archive import Archive, DatabaseUnavailableError
from mediaimport_webhook.catalogue.entry import Entry, entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.listing import Listing
from mediaimport_webhook.catalogue.lookup import AssetLookup
from mediaimport_webhook.catalogue.presenter import Presenter
from mediaimport_webhook.catalogue.query import Query, parse_query
from mediaimport_webhook.catalogue.reflector import Reflector

__all__ = [
    "Archive",
    "AssetLookup",
    "Catalogue",
    "DatabaseUnavailableError",
    "Entry",
    "Listing",
    "Presenter",
    "Query",
    "Reflector",
    "entry_of",
    "parse_query",
]
