"""Transport over a port-forward, which loses connections now and then."""

from __future__ import annotations

import time

import httpx

_TRIES = 20
_PAUSE_S = 0.5


class Reconnecting(httpx.HTTPTransport):
    """Sends a request again whose connection was refused or ended without an answer, for ten seconds.

    kubectl ends a port-forward with the first connection that the pod resets, and is started again. For stand-ins
    alone: a program of ours has to answer the first try.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(_TRIES):
            try:
                return super().handle_request(request)
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
                time.sleep(_PAUSE_S)
        return super().handle_request(request)
