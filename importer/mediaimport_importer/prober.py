"""Client of the prober's socket. Its responses are not trusted: a hostile file may have taken the prober over."""

from __future__ import annotations

import math
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import (
    Failure,
    PeerClosedError,
    ProtocolError,
    Request,
    Response,
    SilentPeerError,
    encode,
    read_response,
)

from mediaimport_importer.errors import RefusedError, StarvedProberError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

START_S = 120.0
"""For the container next to the importer's, which starts at the same time, or again after a fault."""
ANSWER_S = 75.0
"""By the clock, times the patience of the request: a little more than the prober takes for all its tools."""
PATIENCE = (1, 2, 4)
"""Of the tries of one request, while the node is busy with others."""
_RETRY_S = 0.05
MAX_MESSAGE = 400


@dataclass(frozen=True)
class Prober:
    """Requests to the prober, each with a deadline."""

    path: Path
    start_s: float = START_S
    answer_s: float = ANSWER_S
    deadline_s: float = math.inf
    """No second try begins that could end later, on the clock of time.monotonic."""

    def ask(self, request: Request) -> tuple[Response, bytes]:
        """Return response and payload; a request that the node had no time for is made again with more patience.

        ProbeFailed for an invalid response, OutOfMemory for none, Unexpected without a prober, StarvedProberError.
        """
        first, *more = PATIENCE
        response, payload = self._try(request, first)
        for patience in more:
            if response.failure is not Failure.NO_TIME:
                break
            if time.monotonic() + self.answer_s * patience > self.deadline_s:
                break
            response, payload = self._try(request, patience)
        if response.failure is Failure.NO_TIME:
            raise StarvedProberError(Reason.UNEXPECTED, f"the prober had no time for the media: {response.message}")
        return response, payload

    def _try(self, request: Request, patience: int) -> tuple[Response, bytes]:
        answer_s = self.answer_s * patience
        try:
            with self._connect(answer_s) as connection:
                deadline = time.monotonic() + answer_s
                with suppress(BrokenPipeError, ConnectionResetError):  # its response may say why it ended
                    connection.sendall(encode(request.model_copy(update={"patience": patience})))
                response, payload = read_response(lambda size: receive_exactly(connection, size, deadline=deadline))
        except PeerClosedError as error:
            raise _ended() from error
        except (SilentPeerError, TimeoutError):
            return Response(failure=Failure.NO_TIME, message=f"no response within {answer_s:.0f} s"), b""
        except ProtocolError as error:
            raise _failed(f"the prober sent an invalid response: {error}") from error
        except OSError as error:
            raise _ended() from error
        return response.model_copy(update={"message": _plain(response.message)}), payload

    def _connect(self, timeout_s: float) -> socket.socket:
        """Connect, with retries: the prober's container may still be starting, or restarting."""
        deadline = time.monotonic() + self.start_s
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout_s)
            try:
                connection.connect(str(self.path))
            except OSError as error:
                connection.close()
                if time.monotonic() >= deadline:
                    raise UnavailableError(
                        Reason.UNEXPECTED, "the prober does not start; read the log of the pod's prober container"
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return connection


def out_of_memory(message: str) -> UnavailableError:
    """Return the error of a prober that had too little memory: no fault of the file, which may be whole and well."""
    return UnavailableError(
        Reason.OUT_OF_MEMORY, f"{message}; prober.resources.limits.memory in the chart is its limit"
    )


def _ended() -> UnavailableError:
    return out_of_memory("the prober ended before it answered, as one does that the kernel kills for want of memory")


def _plain(message: str) -> str:
    """Return a message as the prober writes it; one that was taken over may send anything."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in message)[:MAX_MESSAGE]


def _failed(message: str) -> RefusedError:
    return RefusedError(Reason.PROBE_FAILED, message)
