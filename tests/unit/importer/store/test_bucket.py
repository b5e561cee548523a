"""Errors of the store, translated into failures of the attempt."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import UnavailableError
from mediaimport_importer.store.bucket import translate


@pytest.mark.parametrize(("code", "status"), [("ExpiredToken", 400), ("ExpiredToken", 403)])
def test_expired_credentials_are_worth_another_attempt(code: str, status: int) -> None:
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")
    failure = translate(error, bucket="media")
    assert isinstance(failure, UnavailableError)
    assert failure.reason is Reason.STORE_UNAVAILABLE
    assert failure.reason.retryable
