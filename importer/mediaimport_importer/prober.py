"""The importer's side of the socket. What comes back is believed only as far as it can be checked."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import ProtocolError, encode, read_response

from mediaimport_importer.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_prober.protocol import Request, Response

START_S = 30.0
ANSWER_S = 75.0
"""Two runs of 30 s each can stand behind one answer."""
_RETRY_S = 0.05


@dataclass(frozen=True)
class Prober:
    """Asks the prober, within a clock."""

    path: Path
    start_s: float = START_S
    answer_s: float = ANSWER_S

    def ask(self, request: Request) -> tuple[Response, bytes]:
        """Return response and payload; ProbeFailed if there is no sound answer, Unexpected if there is no prober."""
        try:
            with self._connect() as connection:
                deadline = time.monotonic() + self.answer_s
                connection.sendall(encode(request))
                return read_response(lambda size: receive_exactly(connection, size, deadline=deadline))
        except ProtocolError as error:
            raise _failed(f"the prober did not answer as it should: {error}") from error
        except OSError as error:
            raise _failed("the prober ended while it read the media") from error

    def _connect(self) -> socket.socket:
        """Connect; its container may still be starting, or starting again."""
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
                        Reason.UNEXPECTED, "the prober does not start; look at the log of the pod's prober container"
                    ) from error
                time.sleep(_RETRY_S)
            else:
                return connection


def _failed(message: str) -> RefusedError:
    return RefusedError(Reason.PROBE_FAILED, message)
