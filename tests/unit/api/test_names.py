from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.names import (
    AssetKeys,
    job_name,
    prediction_asset_id,
    prediction_resource_name,
    run_hash,
)

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True)


@given(name=NAMES, uid=st.uuids().map(str), run=st.text(max_size=63), attempt=st.integers(1, 999))
def test_a_job_name_is_always_a_dns_label(name: str, uid: str, run: str, attempt: int) -> None:
    assert DNS_LABEL.fullmatch(job_name(name=name, uid=uid, run=run, attempt=attempt))


def test_a_job_name_differs_by_uid_run_and_attempt() -> None:
    names = {
        job_name(name="clip", uid=uid, run=run, attempt=attempt)
        for uid in ("u1", "u2")
        for run in ("", "again")
        for attempt in (1, 2)
    }
    assert len(names) == 8


def test_a_job_name_begins_with_the_name_that_a_person_knows() -> None:
    assert job_name(name="my.clip", uid="u", run="", attempt=3).startswith("my-clip-")


@given(prediction=st.text(min_size=1, max_size=128), pointer=st.text(max_size=256))
def test_a_resource_name_is_a_dns_label_whatever_the_prediction_is_called(prediction: str, pointer: str) -> None:
    assert DNS_LABEL.fullmatch(prediction_resource_name("replicate", prediction, pointer))


def test_two_outputs_of_one_prediction_are_two_assets() -> None:
    first, second = (prediction_asset_id("replicate", "p1", pointer) for pointer in ("/0", "/1"))
    assert first != second
    assert prediction_resource_name("replicate", "p1", "/0") != prediction_resource_name("replicate", "p1", "/1")


def test_the_asset_id_of_a_prediction_never_changes_between_versions() -> None:
    assert str(prediction_asset_id("replicate", "p1", "/0")) == "3e240fb2-2b82-5e4b-88aa-b66891e243be"


def test_parts_cannot_be_shifted_into_one_another() -> None:
    assert prediction_asset_id("replicate", "p", "1/0") != prediction_asset_id("replicate", "p1", "/0")


def test_run_hash_is_a_label_value_for_free_text() -> None:
    assert DNS_LABEL.fullmatch(run_hash("überall / 2026-01-01"))


def test_only_keys_of_the_asset_itself_pass_as_its_original() -> None:
    keys = AssetKeys(user_id="alice", asset_id="a1")
    assert keys.is_original(keys.original(kind="video", extension="mp4"))
    for foreign in (
        keys.sidecar,
        keys.thumbnail,
        "media/bob/a1/video.mp4",
        f"{keys.prefix}../a2/video.mp4",
        f"{keys.prefix}video.mp4/x",
        f"{keys.prefix}video.",
        "",
    ):
        assert not keys.is_original(foreign)
