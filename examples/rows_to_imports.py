"""Rows of a media table as MediaImports: CSV on standard input, a List for `kubectl create -f -` on standard output.

    psql --csv --command "SELECT id, user_id, name, url FROM media WHERE …" | python3 examples/rows_to_imports.py

Columns: id (a UUID) and url; optional: user_id, name, type, sha256, size_bytes, prediction_id. It needs Python alone.
"""

from __future__ import annotations

import csv
import json
import re
import sys

REMOVED_AFTER_S = 7200
"""The resource goes two hours after its end; the asset stays."""


def spec(row: dict[str, str]) -> dict[str, object]:
    """Return the spec of a row; a column that is absent or empty is left out."""
    source: dict[str, object] = {"url": row["url"]}
    if row.get("prediction_id"):
        source["provider"] = {"name": "replicate", "id": row["prediction_id"]}
    expected = {"sha256": row.get("sha256"), "sizeBytes": int(row.get("size_bytes") or 0)}
    wanted = {
        "source": source,
        "assetId": row["id"],
        "userId": user(row.get("user_id", "")),
        "name": row.get("name"),
        "type": row.get("type"),
        "expected": {name: value for name, value in expected.items() if value},
        "ttlSecondsAfterFinished": REMOVED_AFTER_S,
    }
    return {name: value for name, value in wanted.items() if value}


def user(user_id: str) -> str:
    """Return a user id that MediaImport takes: lower case, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", user_id.lower()).strip("-")[:63].strip("-")


def manifest(row: dict[str, str]) -> dict[str, object]:
    """Return the MediaImport of a row; the same row always has the same name."""
    about = {"name": f"row-{row['id'].lower()}"}
    return {"apiVersion": "mediaimport.dev/v1alpha1", "kind": "MediaImport", "metadata": about, "spec": spec(row)}


if __name__ == "__main__":
    items = [manifest(row) for row in csv.DictReader(sys.stdin)]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout, indent=1)
