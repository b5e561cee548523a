from __future__ import annotations

import kopf
from mediaimport_operator.run.kopf_app import NullDiffBaseStorage


def test_null_storage_copies_and_stores_nothing() -> None:
    storage, body = NullDiffBaseStorage(), kopf.Body({"spec": {"url": "x"}, "metadata": {"labels": {"a": "b"}}})
    patch = kopf.Patch()
    storage.store(body=body, patch=patch, essence=storage.build(body=body))
    assert (dict(storage.build(body=body)), storage.fetch(body=body), dict(patch)) == ({}, None, {})
