from __future__ import annotations

import pytest
from mediaimport_api.sidecar import Owner, Provenance, Tombstone, read_record
from pydantic import ValidationError

OWNER = Owner(namespace="media", name="clip", uid="u1")


def test_a_tombstone_is_read_as_what_it_is() -> None:
    stone = Tombstone.model_validate(
        {"owner": OWNER.to_wire(), "sourceFingerprint": "0" * 64, "deletedAt": "2026-01-01T00:00:00Z"}
    )
    assert read_record(stone.model_dump_json(by_alias=True)) == stone


@pytest.mark.parametrize("body", ["", "{}", '{"deleted": false}', "[]", "<html>"])
def test_what_is_neither_sidecar_nor_tombstone_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        read_record(body)


def test_recipe_of_a_later_release_costs_no_asset() -> None:
    provider = {"name": "replicate", "id": "p", "input": {"prompt": "a"}, "later": {"a": 1}}
    read = Provenance.model_validate({"userId": "ada", "provider": provider}).provider
    assert read is not None
    assert read.to_wire() == {"name": "replicate", "id": "p", "pointer": "", "input": {"prompt": "a"}}
