"""Load generator against a real server that answers late, wrongly, or not at all."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from dev.bench.webhook import open_loop
from dev.bench.webhook.open_loop import Load
from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]
    waits_s: float
    lock: threading.Lock

    def do_GET(self) -> None:
        self.seen.append(self.path)
        with self.lock:
            time.sleep(self.waits_s)
        self.send_response(503 if "broken" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = "closing" in self.path

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(*, waits_s: float = 0) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = type("Handler", (Answers,), {"seen": seen, "waits_s": waits_s, "lock": threading.Lock()})
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        yield f"http://127.0.0.1:{port}", seen


def test_each_path_is_asked_for_once_without_a_rate() -> None:
    paths = [f"/{number}" for number in range(50)]
    with server() as (url, seen):
        outcome = open_loop.run(Load(url, "token", paths, connections=4))
    assert sorted(seen) == sorted(paths)
    assert (outcome.requests, outcome.errors) == (50, 0)


def test_wrong_answers_and_broken_connections_are_counted() -> None:
    with server() as (url, _):
        outcome = open_loop.run(
            Load(url, "token", ["/fine", "/broken", "/closing", "/after", "/broken"], connections=1)
        )
    assert outcome.requests == 5
    assert outcome.errors == 3  # twice 503, and the connection that the server closed


def test_steady_rate_asks_for_many_paths_at_its_ticks() -> None:
    paths = [f"/{number}" for number in range(40)]
    with server() as (url, seen):
        outcome = open_loop.run(Load(url, "token", paths, connections=4, per_s=50, seconds=1))
    assert outcome.requests == len(seen) == 50
    assert len(set(seen)) == 40
    assert 35 < outcome.per_s < 65


def test_time_counts_from_the_tick_and_ticks_that_waited_are_missed() -> None:
    # One answer after the other, each 50 ms: 20 a second, where 40 are due.
    with server(waits_s=0.05) as (url, _):
        outcome = open_loop.run(Load(url, "token", ["/slow"], connections=2, per_s=40, seconds=1))
    assert outcome.requests == 40
    assert outcome.missed_ticks > 20
    assert outcome.max_ms > 700  # the last one waited for all before it
    assert outcome.errors == 0
