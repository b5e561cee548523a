"""Rows of a media table as MediaImports: CSV on standard input, a List for `kubectl create -f -` on standard output.

    psql --csv --command "SELECT id, user_id, name, url FROM media WHERE …" | python3 examples/rows_to_imports.py

Columns: id and url; optional: user_id, name, type, sha256, size_bytes, prediction_id. An id that is a UUID becomes the
asset's; another one is kept in spec.metadata. It needs Python alone.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import uuid

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
        **about_id(row["id"]),
        "userId": user(row.get("user_id", "")),
        "name": row.get("name"),
        "type": row.get("type"),
        "expected": {name: value for name, value in expected.items() if value},
        "ttlSecondsAfterFinished": REMOVED_AFTER_S,
    }
    return {name: value for name, value in wanted.items() if value}


def about_id(row_id: str) -> dict[str, object]:
    """Return the field that keeps the id of a row: MediaImport takes only a UUID as an asset's id."""
    try:
        uuid.UUID(row_id)
    except ValueError:
        return {"metadata": {"id": row_id}}
    return {"assetId": row_id}


def user(user_id: str) -> str:
    """Return a user id that MediaImport takes: lower case, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", user_id.lower()).strip("-")[:63].strip("-")


def name(row_id: str) -> str:
    """Return the name of a row's resource."""
    return f"row-{re.sub(r'[^a-z0-9]+', '-', row_id.lower()).strip('-')}"


def manifest(row: dict[str, str]) -> dict[str, object]:
    """Return the MediaImport of a row; the same row always has the same name."""
    about = {"name": name(row["id"])}
    return {"apiVersion": "mediaimport.dev/v1alpha1", "kind": "MediaImport", "metadata": about, "spec": spec(row)}


def collisions(rows: list[dict[str, str]]) -> list[str]:
    """Return a sentence for the user ids, and for the ids of rows, that are different in the table and equal here."""
    rewritten = {"user_id": user, "id": name}
    found = []
    for column, rewrite in rewritten.items():
        origins: dict[str, set[str]] = {}
        for value in (row.get(column) for row in rows):
            if value:
                origins.setdefault(rewrite(value), set()).add(value)
        found += [f"{column}: {', '.join(sorted(each))} would become one" for each in origins.values() if len(each) > 1]
    return found


if __name__ == "__main__":
    rows = list(csv.DictReader(sys.stdin))
    # One user would see the other's assets, or one row would be left out.
    if errors := collisions(rows):
        sys.exit("\n".join(errors))
    items = [manifest(row) for row in rows]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout, indent=1)
