"""kubectl and helm, pointed at one cluster."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Object = dict[str, Any]
_PAUSE_S = 0.2
"""Between two starts of a command that ends at once."""


class KubeError(Exception):
    """Failed command; the text has its error output."""


@dataclass(frozen=True)
class Kube:
    """Runs kubectl and helm."""

    variables: Mapping[str, str]
    """KUBECONFIG and PATH."""

    def kubectl(self, *arguments: str, namespace: str = "", given: str | None = None) -> str:
        """Return what kubectl prints."""
        return self._run(["kubectl", *(("--namespace", namespace) if namespace else ()), *arguments], given)

    def helm(self, *arguments: str, given: str | None = None) -> str:
        """Return what helm prints."""
        return self._run(["helm", *arguments], given)

    def shell(self, command: str) -> str:
        """Return what a command line with kubectl in it prints."""
        return self._run(["bash", "-o", "pipefail", "-c", command], None)

    def get(self, *selection: str, namespace: str = "") -> Object:
        """Return an object, or a list of them."""
        found: Object = json.loads(self.kubectl("get", *selection, "-o", "json", namespace=namespace))
        return found

    def apply(self, manifests: Sequence[Object]) -> None:
        """Apply manifests."""
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))

    def wait_for_rollout(self, deployment: str, *, namespace: str, timeout_s: int = 120) -> None:
        """Wait until all pods of a Deployment are current and ready."""
        target = f"deployment/{deployment}"
        self.kubectl("rollout", "status", target, f"--timeout={timeout_s}s", namespace=namespace)

    @contextmanager
    def forward(self, target: str, port: int, *, namespace: str) -> Iterator[str]:
        """Reach a Service (`service/NAME`) or a pod from this machine; yields its URL.

        kubectl ends when it loses the API server; it is started again at the same port.
        """
        command = ["kubectl", "--namespace", namespace, "port-forward", target]
        with self._serving([*command, f":{port}"], "Forwarding from ", target) as (process, address):
            again = [*command, f"{address.rpartition(':')[2]}:{port}"]
            keeper = _Keeper(process, again, self._environment())
            keeper.start()
            try:
                yield f"http://{address}"
            finally:
                keeper.stop()

    @contextmanager
    def proxy(self) -> Iterator[str]:
        """Reach the API server from this machine with kubectl's rights, and Services through it; yields its URL."""
        with self._serving(["kubectl", "proxy", "--port=0"], "Starting to serve on ", "the API server") as (_, address):
            yield f"http://{address}"

    @contextmanager
    def _serving(
        self, command: list[str], announcement: str, target: str
    ) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run a command that serves until the end of the block; yields it and the address after its announcement."""
        with tempfile.TemporaryFile("w+") as errors:
            environment = self._environment()
            with subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process:
                try:
                    yield process, _address(process.stdout, errors, announcement=announcement, target=target)
                finally:
                    process.terminate()

    def _run(self, command: list[str], given: str | None) -> str:
        environment = self._environment()
        done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubeError(f"{' '.join(command)} failed ({done.returncode}): {done.stderr.strip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return os.environ | self.variables


class _Keeper(threading.Thread):
    """Thread that starts a command again whenever its process ends, until `stop`."""

    def __init__(self, process: subprocess.Popen[str], command: list[str], environment: Mapping[str, str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._command = command
        self._environment = environment
        self._replacing = threading.Lock()
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(_PAUSE_S):
            self._process.wait()
            with self._replacing:
                if not self._stopped.is_set():
                    self._process = self._restarted()

    def stop(self) -> None:
        with self._replacing:
            self._stopped.set()
            self._process.terminate()
        self._process.wait()
        self.join()

    def _restarted(self) -> subprocess.Popen[str]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._command, env=self._environment, stdout=quiet, stderr=quiet, text=True)


def _address(stdout: IO[str] | None, errors: IO[str], *, announcement: str, target: str) -> str:
    """Return the local address that kubectl chose; go on reading, since a full pipe would stop it."""
    if stdout is None:
        raise ValueError("kubectl's output must be a pipe")
    announced = stdout.readline()
    if not announced.startswith(f"{announcement}127.0.0.1:"):
        errors.seek(0)
        raise KubeError(f"cannot reach {target}: {errors.read().strip()}")
    threading.Thread(target=stdout.read, daemon=True).start()
    return announced.removeprefix(announcement).split()[0]
