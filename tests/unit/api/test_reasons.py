from __future__ import annotations

import pytest
from mediaimport_api.reasons import ExitCode, Reason, Retry


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_and_a_remedy(reason: Reason) -> None:
    assert reason.facts.sentence.endswith(".")
    assert reason.facts.remedy.endswith(".")


def test_every_exit_code_belongs_to_a_reason() -> None:
    assert {reason.facts.exit_code for reason in Reason} == {*ExitCode, None}


def test_the_exit_codes_are_those_that_operators_of_every_version_know() -> None:
    known = {
        Reason.IMPORTED: 0,
        Reason.SPEC_INVALID: 10,
        Reason.SOURCE_NOT_FOUND: 11,
        Reason.NOT_MEDIA: 12,
        Reason.CHECKSUM_MISMATCH: 13,
        Reason.STORE_DENIED: 14,
        Reason.SCRATCH_EXCEEDED: 15,
        Reason.SOURCE_UNAVAILABLE: 20,
        Reason.TRUNCATED: 20,
        Reason.STORE_UNAVAILABLE: 21,
        Reason.DISK_FULL: 22,
        Reason.SETTINGS_INVALID: 25,
        Reason.INTERRUPTED: 30,
    }
    assert {reason: reason.facts.exit_code for reason in known} == known


def test_what_is_the_authors_to_mend_is_not_retried() -> None:
    retried = {reason for reason in Reason if 10 <= (reason.facts.exit_code or 0) < 20 and reason.retryable}
    assert retried == {Reason.STORE_DENIED, Reason.STORE_MISSING}


def test_what_neither_spec_nor_media_cause_is_retried_until_the_source_expires() -> None:
    reported = {Reason.STORE_UNAVAILABLE, Reason.STORE_DENIED, Reason.STORE_MISSING, Reason.DISK_FULL}
    never_ran = {
        Reason.STARTING,
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_INVALID,
        Reason.POD_REFUSED,
        Reason.CREDENTIALS_REFUSED,
        Reason.CREDENTIALS_UNAVAILABLE,
    }
    external = reported | never_ran | {Reason.SETTINGS_INVALID}
    assert {reason for reason in Reason if reason.facts.retry is Retry.UNTIL_EXPIRY} == external


def test_an_interruption_does_not_count_as_an_attempt() -> None:
    assert Reason.INTERRUPTED.facts.retry is Reason.DISRUPTED.facts.retry is Retry.UNCOUNTED
