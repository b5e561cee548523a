"""Database of the catalogue: an index of all assets, also of those whose resource is gone.

It can be dropped: Kubernetes holds the work, the store the assets. Only a webhook with a database loads this package.
"""

from __future__ import annotations

from mediaimport_webhook.catalogue.database.archive import DatabaseArchive
from mediaimport_webhook.catalogue.database.current import CurrentArchive
from mediaimport_webhook.catalogue.database.engine import opened
from mediaimport_webhook.catalogue.database.marks import RecordedMarks
from mediaimport_webhook.catalogue.database.recorder import Recorder
from mediaimport_webhook.catalogue.database.unseen import UnseenEnds

__all__ = ["CurrentArchive", "DatabaseArchive", "RecordedMarks", "Recorder", "UnseenEnds", "opened"]
