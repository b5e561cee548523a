"""The pace of a download by a clock of the test's, and what the guarded backend refuses without a connection."""

from __future__ import annotations

import httpcore
import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.source.guard import GuardedBackend, Pace


def unavailable(error: pytest.ExceptionInfo[UnavailableError]) -> str:
    assert error.value.reason is Reason.SOURCE_UNAVAILABLE
    return error.value.public_message


def test_wait_for_the_first_byte_ends_though_the_deadline_is_far() -> None:
    pace = Pace(deadline_s=1000, first_byte_s=60, now=lambda: 0.0)
    pace.begin_request()
    pace.count(0, waited_s=50)
    assert pace.read_timeout_s() == 10
    pace.count(0, waited_s=10)
    with pytest.raises(UnavailableError) as error:
        pace.read_timeout_s()
    assert "no byte of its body within 60 s" in unavailable(error)


def test_each_window_is_counted_by_itself() -> None:
    pace = Pace(deadline_s=1000, window_s=10, min_bytes_per_s=100, now=lambda: 0.0)
    pace.count(100_000, waited_s=10)
    pace.count(999, waited_s=5)
    with pytest.raises(UnavailableError) as error:
        pace.count(0, waited_s=5)
    assert "sent 999 bytes in 10 s, less than 100 bytes a second" in unavailable(error)


def test_unix_socket_is_no_source() -> None:
    backend = GuardedBackend(SourcePolicy((), frozenset({443})), Pace(1000))
    with pytest.raises(RefusedError) as error:
        backend.connect_unix_socket("/run/docker.sock")
    assert error.value.reason is Reason.SOURCE_BLOCKED


def test_host_without_an_address_is_not_connected() -> None:
    pace = Pace(1000, now=lambda: 0.0)
    backend = GuardedBackend(SourcePolicy((), frozenset({443})), pace, resolve=lambda *_: [])
    with pytest.raises(httpcore.ConnectError, match="has no address"):
        backend.connect_tcp("source.example", 443)
