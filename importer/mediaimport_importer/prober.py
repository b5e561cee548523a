"""Client of the prober's socket. Its responses are not trusted: a hostile file may have taken the prober over."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import PeerClosedError, ProtocolError, Request, Response, encode, read_response

from mediaimport_importer.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

START_S = 30.0
ANSWER_S = 75.0
"""One answer may take two runs of 30 s each."""
_RETRY_S = 0.05
MAX_MESSAGE = 400


@dataclass(frozen=True)
class Prober:
    """Requests to the prober, each with a deadline."""

    path: Path
    start_s: float = START_S
    answer_s: float = ANSWER_S

    def ask(self, request: Request) -> tuple[Response, bytes]:
        """Return response and payload.

        ProbeFailed for an invalid response, OutOfMemory for none, Unexpected without a prober.
        """
        try:
            with self._connect() as connection:
                deadline = time.monotonic() + self.answer_s
                with suppress(BrokenPipeError, ConnectionResetError):  # its response may say why it ended
                    connection.sendall(encode(request))
                response, payload = read_response(lambda size: receive_exactly(connection, size, deadline=deadline))
        except PeerClosedError as error:
            raise _ended() from error
        except TimeoutError as error:
            raise _failed("the prober does not read its request") from error
        except ProtocolError as error:
            raise _failed(f"the prober sent an invalid response: {error}") from error
        except OSError as error:
            raise _ended() from error
        return response.model_copy(update={"message": _plain(response.message)}), payload

    def _connect(self) -> socket.socket:
        """Connect, with retries: the prober's container may still be starting, or restarting."""
        deadline = time.monotonic() + self.start_s
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self.answer_s)
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
    return UnavailableError(Reason.OUT_OF_MEMORY, f"{message}; importer.proberMemory in the chart is its limit")


def _ended() -> UnavailableError:
    return out_of_memory("the prober ended before it answered, as one does that the kernel kills for want of memory")


def _plain(message: str) -> str:
    """Return a message as the prober writes it; one that was taken over may send anything."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in message)[:MAX_MESSAGE]


def _failed(message: str) -> RefusedError:
    return RefusedError(Reason.PROBE_FAILED, message)
