"""Requests over a connection that ends without an answer."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from tests.support.loopback.reconnecting import Reconnecting


def serve(listener: socket.socket, *, hang_up_on: int) -> None:
    """End the first connections without an answer, and answer the next one."""
    for number in range(hang_up_on + 1):
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if number == hang_up_on:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_request_is_sent_again_until_it_is_answered(lost: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), kwargs={"hang_up_on": lost}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, transport=Reconnecting()) as client:
            assert client.post("/", json={"a": 1}).text == "ok"
        thread.join(timeout=5)
