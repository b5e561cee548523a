"""Limited bandwidth on 127.0.0.1, and ways that can be cut, by toxiproxy."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from dev.cluster.programs import go
from tests.support.loopback.processes import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Toxiproxy:
    """A running server of limited connections."""

    control: str

    def limited(self, *, port: int, rate_kb_per_s: int) -> int:
        """Return a port that leads to `port`, each connection limited in both directions (KB: 1000 bytes)."""
        listen = self.forwarded(f"127.0.0.1:{port}")
        for stream in ("upstream", "downstream"):
            toxic = {"type": "bandwidth", "stream": stream, "attributes": {"rate": rate_kb_per_s}}
            httpx.post(f"{self.control}/proxies/p{listen}/toxics", json=toxic).raise_for_status()
        return listen

    def forwarded(self, upstream: str) -> int:
        """Return a port that leads to `host:port`."""
        listen = free_port()
        proxy = {"name": f"p{listen}", "listen": f"127.0.0.1:{listen}", "upstream": upstream, "enabled": True}
        httpx.post(f"{self.control}/proxies", json=proxy).raise_for_status()
        return listen

    def set_enabled(self, *, port: int, enabled: bool) -> None:
        """Close a port, and what is connected through it, or open it again."""
        httpx.post(f"{self.control}/proxies/p{port}", json={"enabled": enabled}).raise_for_status()


def toxiproxy() -> Path:
    """Return the server's program, compiling it the first time."""
    return go.built(go.TOXIPROXY.name) / "toxiproxy"


@contextmanager
def running_toxiproxy(folder: Path, *, program: Path) -> Iterator[Toxiproxy]:
    """Run toxiproxy."""
    port = free_port()
    with serving([program, "-host", "127.0.0.1", "-port", str(port)], port=port, log=folder / "toxiproxy.log"):
        yield Toxiproxy(f"http://127.0.0.1:{port}")
