"""Sources that misbehave, on real connections."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.source.guard import GuardedBackend, Pace
from mediaimport_importer.source.http import HttpSource
from mediaimport_runtime.tls import default_tls_context

from tests.support.loopback.files import running_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.loopback.certificate import Certificate
    from tests.support.source_server import Conversation, Sources

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
BODY = bytes(range(256)) * 1000


def source(  # noqa: PLR0913 - what a test may vary
    url: str,
    sources: Sources,
    *,
    allowed: bool = True,
    pace: Pace | None = None,
    resolve: Callable[[str, int], list[str]] | None = None,
    expires_at: datetime | None = None,
) -> HttpSource:
    policy = SourcePolicy((LOOPBACK,) if allowed else (), frozenset({80, 443, sources.port}))
    pace = pace or Pace(time.monotonic() + 20)
    backend = GuardedBackend(policy, pace, resolve=resolve) if resolve else GuardedBackend(policy, pace)
    return HttpSource(url, policy, backend, expires_at=expires_at, sleep=lambda _: None)


def fetched(http: HttpSource) -> bytes:
    with http:
        return b"".join(http.pieces())


def refused(http: HttpSource) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        fetched(http)
    return caught.value


def test_body_arrives_as_it_is(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(BODY))

    assert fetched(source(url, sources)) == BODY
    assert "accept-encoding: identity" in sources.requests[-1].lower()


def test_request_is_sent_before_anything_else_is_begun(sources: Sources) -> None:
    begun = threading.Event()

    def waiting(conversation: Conversation) -> None:
        assert begun.wait(60)
        conversation.answer(BODY)

    requested = source(sources.add(waiting), sources)
    requested.on_request_sent = begun.set

    assert fetched(requested) == BODY


def test_query_and_path_go_over_the_wire_as_they_are(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(BODY), query="?X-Sig=a%2Fb+c&e=~1/2#part")

    fetched(source(url, sources))

    assert sources.requests[-1].split(" ")[1].endswith("?X-Sig=a%2Fb+c&e=~1/2")


def test_redirects_are_followed(sources: Sources) -> None:
    end = sources.add(lambda conversation: conversation.answer(BODY))
    between = sources.add(lambda conversation: conversation.answer(status="302 Found", Location=end))
    start = sources.add(lambda conversation: conversation.answer(status="301 Moved", Location=between))

    assert fetched(source(start, sources)) == BODY


def test_relative_redirect_is_followed(sources: Sources) -> None:
    end = sources.add(lambda conversation: conversation.answer(BODY))
    path = "/" + end.rpartition("/")[2]
    start = sources.add(lambda conversation: conversation.answer(status="307 Temporary Redirect", Location=path))

    assert fetched(source(start, sources)) == BODY


@pytest.mark.attack("a loop of redirects", "SourceBlocked after ten")
def test_eleventh_redirect_is_blocked(sources: Sources) -> None:
    loop: list[str] = []
    loop.append(sources.add(lambda conversation: conversation.answer(status="302 Found", Location=loop[0])))

    assert refused(source(loop[0], sources)).reason is Reason.SOURCE_BLOCKED
    assert sum(loop[0].rpartition("/")[2] in request for request in sources.requests) == 11


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://[::1]/",
     "http://127.0.0.1:22/", "gopher://127.0.0.1/", "http://user:secret@127.0.0.1/", "data:,x"],
)  # fmt: skip
@pytest.mark.attack(
    "SSRF by redirects to metadata, private addresses, files, other ports, other schemes, credentials",
    "SourceBlocked",
)
def test_redirect_to_a_bad_place_is_blocked(sources: Sources, target: str) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="302 Found", Location=target))

    error = refused(source(url, sources))

    assert error.reason is Reason.SOURCE_BLOCKED
    assert "secret" not in error.public_message


@pytest.mark.attack("SSRF: a name with an allowed and a private address", "SourceBlocked")
def test_name_with_one_bad_address_among_good_ones_is_blocked(sources: Sources) -> None:
    error = refused(
        source("http://mixed.example/", sources, allowed=False, resolve=lambda *_: ["93.184.216.34", "10.0.0.1"])
    )

    assert error.reason is Reason.SOURCE_BLOCKED
    assert "10.0.0.1" in error.public_message


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104 - an address to refuse
     "224.0.0.1", "::1", "fe80::1", "fc00::1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "192.88.99.1",
     "::ffff:0:127.0.0.1", "168.63.129.16", "64:ff9b::a83f:8110", "fd00:ec2::254"],
)  # fmt: skip
@pytest.mark.attack(
    "SSRF: names that resolve to loopback, private, link-local, CGNAT, multicast, mapped, SIIT, NAT64, 6to4 addresses"
    " and to the clouds' metadata and wire servers",
    "SourceBlocked",
)
def test_name_that_resolves_to_a_bad_address_is_blocked(sources: Sources, address: str) -> None:
    error = refused(source("http://rebound.example/", sources, allowed=False, resolve=lambda *_: [address]))

    assert error.reason is Reason.SOURCE_BLOCKED


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]"])
@pytest.mark.attack("SSRF: 127.0.0.1 in other spellings", "SourceBlocked")
def test_other_spellings_of_loopback_are_blocked(sources: Sources, host: str) -> None:
    assert refused(source(f"http://{host}/", sources, allowed=False)).reason is Reason.SOURCE_BLOCKED


@pytest.mark.attack("DNS rebinding between check and connection", "there is no second resolution")
def test_name_is_resolved_once_and_the_connection_goes_there(sources: Sources) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    url = sources.add(lambda conversation: conversation.answer(BODY)).replace("127.0.0.1", "rebinding.example")

    assert fetched(source(url, sources, resolve=lambda *_: answers.pop(0))) == BODY
    assert len(answers) == 1


@pytest.mark.attack("DNS rebinding before a resumed download", "checked again: SourceBlocked")
def test_resume_resolves_and_checks_again(sources: Sources) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    url = sources.add(cut_at(1000)).replace("127.0.0.1", "rebinding.example")

    error = refused(source(url, sources, resolve=lambda *_: answers.pop(0)))

    assert error.reason is Reason.SOURCE_BLOCKED


def test_name_that_does_not_resolve_is_unavailable(sources: Sources) -> None:
    def fail(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert refused(source("http://nowhere.example/", sources, resolve=fail)).reason is Reason.SOURCE_UNAVAILABLE


def test_port_that_nobody_listens_on_is_unavailable(sources: Sources) -> None:
    error = refused(source("http://127.0.0.1:80/", sources))

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert error.retryable


# --- cut short ----------------------------------------------------------------------


def cut_at(position: int, *, etag: str | None = '"one"', step: int | None = None) -> Callable[[Conversation], None]:
    """Return a script that cuts the connection there, and answers ranges (again cut after `step` bytes)."""

    def script(conversation: Conversation) -> None:
        asked = conversation.header("Range")
        if asked is None or conversation.header("If-Range") != etag:
            headers = {"ETag": etag} if etag else {}
            return conversation.answer(BODY[:position], Content_Length=str(len(BODY)), **headers)
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        end = len(BODY) if step is None else begin + step
        return conversation.answer(
            BODY[begin:end],
            status="206 Partial Content",
            Content_Length=str(len(BODY) - begin),
            Content_Range=f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}",
            ETag=etag or "",
        )

    return script


def test_body_that_is_cut_short_is_resumed(sources: Sources) -> None:
    assert fetched(source(sources.add(cut_at(1000)), sources)) == BODY


def test_body_that_is_cut_short_several_times_is_resumed(sources: Sources) -> None:
    assert fetched(source(sources.add(cut_at(100_000, step=80_000)), sources)) == BODY


@pytest.mark.attack("a Content-Length larger than the body", "Truncated")
def test_body_that_cannot_be_resumed_is_truncated(sources: Sources) -> None:
    error = refused(source(sources.add(cut_at(1000, etag=None)), sources))

    assert error.reason is Reason.TRUNCATED
    assert "1000 of 256000 bytes" in error.public_message


def test_weak_etag_does_not_prove_the_same_entity(sources: Sources) -> None:
    assert refused(source(sources.add(cut_at(1000, etag='W/"one"')), sources)).reason is Reason.TRUNCATED


@pytest.mark.attack("another file under the URL after a break", "Truncated (If-Range), never a file of two halves")
def test_changed_entity_is_never_pieced_together(sources: Sources) -> None:
    def script(conversation: Conversation) -> None:
        if conversation.header("Range") is None:
            return conversation.answer(BODY[:1000], Content_Length=str(len(BODY)), ETag='"one"')
        return conversation.answer(b"x" * len(BODY), ETag='"two"')

    assert refused(source(sources.add(script), sources)).reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 999-255999/256000",
        "bytes 1000-255999/256001",
        "bytes 1000-255999/*",
        "bytes 1000-1999/256000",
        "items 1000-",
        "",
    ],
)
@pytest.mark.attack("a Range response with another start", "Truncated")
def test_wrong_range_is_never_pieced_together(sources: Sources, content_range: str) -> None:
    def script(conversation: Conversation) -> None:
        if conversation.header("Range") is None:
            return conversation.answer(BODY[:1000], Content_Length=str(len(BODY)), ETag='"one"')
        return conversation.answer(BODY[1000:], status="206 Partial Content", Content_Range=content_range)

    assert refused(source(sources.add(script), sources)).reason is Reason.TRUNCATED


@pytest.mark.attack("a part of another file after a break, by a source that ignores If-Range", "Truncated")
def test_part_of_another_entity_is_never_pieced_together(sources: Sources) -> None:
    def script(conversation: Conversation) -> None:
        if conversation.header("Range") is None:
            return conversation.answer(BODY[:1000], Content_Length=str(len(BODY)), ETag='"one"')
        range_ = f"bytes 1000-{len(BODY) - 1}/{len(BODY)}"
        part = {"status": "206 Partial Content", "Content_Range": range_, "ETag": '"two"'}
        return conversation.answer(BODY[1000:], **part)

    assert refused(source(sources.add(script), sources)).reason is Reason.TRUNCATED


def test_source_that_expires_in_between_says_so(sources: Sources) -> None:
    def script(conversation: Conversation) -> None:
        if conversation.header("Range") is None:
            return conversation.answer(BODY[:1000], Content_Length=str(len(BODY)), ETag='"one"')
        return conversation.answer(status="403 Forbidden")

    url = sources.add(script, query="?X-Amz-Signature=abc")

    assert refused(source(url, sources)).reason is Reason.SOURCE_EXPIRED


@pytest.mark.attack("a chunked body without its end", "Truncated")
def test_chunked_body_that_is_cut_short_is_truncated(sources: Sources) -> None:
    url = sources.add(
        lambda conversation: conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    )

    assert refused(source(url, sources)).reason is Reason.TRUNCATED


def unsized(total: str, *, cut_at: int | None = None) -> Callable[[Conversation], None]:
    """Return a script whose body has chunks and breaks off; ranges have no length but in Content-Range's total."""

    def script(conversation: Conversation) -> None:
        asked = conversation.header("Range")
        if asked is None:
            head = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "one"\r\n\r\n'
            return conversation.send(head + b"3e8\r\n" + BODY[:1000])
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        headers = {"Content_Length": "", "Content_Range": f"bytes {begin}-{len(BODY) - 1}/{total}", "ETag": '"one"'}
        end = cut_at if begin == 1000 and cut_at else len(BODY)
        return conversation.answer(BODY[begin:end], status="206 Partial Content", **headers)

    return script


@pytest.mark.attack("no length, a break, then a Range response that is cut", "resumed up to Content-Range's total")
def test_resumed_body_of_unknown_length_goes_on_to_content_ranges_total(sources: Sources) -> None:
    asked = source(sources.add(unsized(str(len(BODY)), cut_at=100_000)), sources)

    assert fetched(asked) == BODY
    assert (asked.size_bytes, asked.delimited) == (len(BODY), True)


def test_content_range_without_a_total_delimits_nothing(sources: Sources) -> None:
    asked = source(sources.add(unsized("*")), sources)

    assert fetched(asked) == BODY
    assert (asked.size_bytes, asked.delimited) == (None, False)


@pytest.mark.parametrize("total", ["999", "256001", "2560000", "1" * 5000, "-1", "x", ""])
def test_total_that_does_not_fit_its_range_is_never_believed(sources: Sources, total: str) -> None:
    assert refused(source(sources.add(unsized(total)), sources)).reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("head", "body", "delimited"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", "hello", True),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", True),
        ("HTTP/1.1 200 OK\r\nConnection: close", "hello", False),
        ("HTTP/1.0 200 OK", "hello", False),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5", "hello", True),
    ],
)
def test_body_that_ends_with_its_connection_is_not_delimited(
    sources: Sources, *, head: str, body: str, delimited: bool
) -> None:
    asked = source(sources.add(lambda conversation: conversation.send(f"{head}\r\n\r\n{body}".encode())), sources)

    assert fetched(asked) == b"hello"
    assert asked.delimited is delimited


# --- slow -----------------------------------------------------------------------------


def hurried(**options: float) -> Pace:
    return Pace(
        time.monotonic() + options.get("deadline_s", 20.0),
        silence_s=options.get("silence_s", 5.0),
        first_byte_s=options.get("first_byte_s", 5.0),
        window_s=options.get("window_s", 5.0),
    )


@pytest.fixture
def over() -> threading.Event:
    """Set at the test's end: scripts that hang wait for it."""
    return threading.Event()


@pytest.mark.attack("a slow drip of the body", "ended by the minimum rate")
def test_slow_drip_of_the_body_ends_with_the_minimum_rate(sources: Sources, over: threading.Event) -> None:
    def drip(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.02):
            conversation.send(b"x")

    begun = time.monotonic()
    error = refused(source(sources.add(drip), sources, pace=hurried(window_s=0.5)))
    over.set()

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert time.monotonic() - begun < 4


@pytest.mark.attack("a slow drip of endless headers", "ended by the deadline")
def test_slow_drip_of_the_headers_ends_with_the_deadline(sources: Sources, over: threading.Event) -> None:
    def drip(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.02):
            conversation.send(b"X-Padding: x\r\n")

    begun = time.monotonic()
    error = refused(source(sources.add(drip), sources, pace=hurried(deadline_s=0.5)))
    over.set()

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert time.monotonic() - begun < 4


@pytest.mark.attack("silence after the request", "ended by a timeout of its own")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_source_that_says_nothing_ends_with_the_first_bytes_time(
    sources: Sources, over: threading.Event, begun: bytes
) -> None:
    def silent(conversation: Conversation) -> None:
        conversation.send(begun)
        over.wait(20)

    started = time.monotonic()
    error = refused(source(sources.add(silent), sources, pace=hurried(first_byte_s=0.3)))
    over.set()

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "SOURCE_FIRST_BYTE_TIMEOUT_SECONDS" in error.public_message
    assert time.monotonic() - started < 4


@pytest.mark.attack("silence within the body", "ended by a timeout of its own")
def test_source_that_falls_silent_ends_with_the_silence(sources: Sources, over: threading.Event) -> None:
    def silent(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        over.wait(20)

    started = time.monotonic()
    error = refused(source(sources.add(silent), sources, pace=hurried(silence_s=0.3, first_byte_s=20.0)))
    over.set()

    assert error.retryable
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("begun", ["", "HTTP/1.1 200 OK\r\nContent-Length: 256000\r\nConnection: close\r\n\r\n"])
def test_first_byte_may_take_longer_than_the_silence_and_the_rate_allow(sources: Sources, begun: str) -> None:
    def slow(conversation: Conversation) -> None:
        conversation.send(begun.encode())
        time.sleep(0.8)
        conversation.send(BODY) if begun else conversation.answer(BODY)

    pace = hurried(silence_s=0.2, window_s=0.4, first_byte_s=10.0)

    assert fetched(source(sources.add(slow), sources, pace=pace)) == BODY


@pytest.mark.attack("endless headers, fast", "SourceUnavailable")
def test_endless_headers_are_not_kept(sources: Sources) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            conversation.send(b"x" * 65536)

    assert refused(source(sources.add(endless), sources)).reason is Reason.SOURCE_UNAVAILABLE


def test_what_is_no_http_is_unavailable(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.send(b"SSH-2.0-OpenSSH_9.2\r\n"))

    assert refused(source(url, sources)).reason is Reason.SOURCE_UNAVAILABLE


# --- answers ----------------------------------------------------------------------------


def test_signed_url_that_is_forbidden_has_expired(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="403 Forbidden"), query="?Signature=x&Expires=1")

    error = refused(source(url, sources))

    assert (error.reason, error.http_status) == (Reason.SOURCE_EXPIRED, 403)
    assert "Signature" not in error.public_message


def test_forbidden_after_its_time_has_expired(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="403 Forbidden"))

    error = refused(source(url, sources, expires_at=datetime(2020, 1, 1, tzinfo=UTC)))

    assert error.reason is Reason.SOURCE_EXPIRED


def test_retry_after_is_kept(sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="429 Too Many Requests", Retry_After="90"))

    error = refused(source(url, sources))

    assert isinstance(error, UnavailableError)
    assert error.retry_after_s == 90


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip"])
@pytest.mark.attack("a compressed body: gzip, br, deflate, zstd", "refused without decoding")
def test_encoded_body_is_refused(sources: Sources, encoding: str) -> None:
    url = sources.add(lambda conversation: conversation.answer(b"x", Content_Encoding=encoding))

    assert isinstance(refused(source(url, sources)), RefusedError)


@pytest.mark.parametrize(
    "encoding",
    ["aws-chunked", "identity, aws-chunked", "aws-chunked,", "utf-8", "UTF-8", "binary", "none", "", "video/mp4"],
)
def test_content_encoding_that_encodes_nothing_is_ignored(sources: Sources, encoding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\nContent-Encoding: {encoding}\r\n\r\n"

    assert fetched(source(sources.add(lambda it: it.send(head.encode() + BODY)), sources)) == BODY


def test_second_content_encoding_counts_too(sources: Sources) -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\nContent-Encoding: identity\r\n\r\nx"

    assert refused(source(sources.add(lambda it: it.send(head.encode())), sources)).reason is Reason.NOT_MEDIA


def partial(content_range: str, *, length: str | None = None) -> Callable[[Conversation], None]:
    headers = {} if length is None else {"Content_Length": length}
    return lambda it: it.answer(BODY, status="206 Partial Content", Content_Range=content_range, **headers)


@pytest.mark.parametrize("length", [None, ""])
def test_partial_content_that_is_the_whole_is_accepted(sources: Sources, length: str | None) -> None:
    asked = source(sources.add(partial("bytes 0-255999/256000", length=length)), sources)

    assert fetched(asked) == BODY
    assert (asked.size_bytes, asked.delimited) == (256000, True)


@pytest.mark.attack("Partial Content to a plain GET that is a part, or of which nobody knows", "SourceUnavailable")
@pytest.mark.parametrize(
    "content_range", ["bytes 0-255999/512000", "bytes 256000-511999/512000", "bytes 0-255999/*", "bytes 0-9/10", ""]
)
def test_partial_content_that_may_be_a_part_is_refused(sources: Sources, content_range: str) -> None:
    assert refused(source(sources.add(partial(content_range)), sources)).reason is Reason.SOURCE_UNAVAILABLE


# --- TLS ----------------------------------------------------------------------------------


@pytest.mark.attack("a certificate of an unknown authority", "SourceUnavailable")
def test_certificate_that_nobody_vouches_for_is_not_trusted(certificate: Certificate, tmp_path: Path) -> None:
    with running_files(tmp_path, certificate=certificate) as port:
        policy = SourcePolicy((LOOPBACK,), frozenset({port}))
        pace = Pace(time.monotonic() + 20)
        asked = HttpSource(f"https://127.0.0.1:{port}/", policy, GuardedBackend(policy, pace))
        error = refused(asked)

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "certificate" in error.public_message


@pytest.mark.attack("another name's certificate", "SourceUnavailable")
def test_certificate_is_checked_against_the_name_though_the_address_is_pinned(
    certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "body").write_bytes(BODY)
    with running_files(tmp_path, certificate=certificate) as port:
        policy = SourcePolicy((LOOPBACK,), frozenset({port}))

        def ask(host: str) -> HttpSource:
            backend = GuardedBackend(policy, Pace(time.monotonic() + 20), resolve=lambda *_: ["127.0.0.1"])
            context = default_tls_context()
            context.load_verify_locations(certificate.authority)
            return HttpSource(f"https://{host}:{port}/body", policy, backend, tls=context)

        assert fetched(ask("localhost")) == BODY
        assert "certificate" in refused(ask("other.example")).public_message
