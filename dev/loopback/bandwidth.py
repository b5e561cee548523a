"""Limited bandwidth on 127.0.0.1, by toxiproxy."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from dev.cluster import programs
from dev.cluster.places import Places
from dev.loopback.processes import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Toxiproxy:
    """A running server of limited connections."""

    control: str

    def limited(self, *, port: int, rate_kb_per_s: int) -> int:
        """Return a port that leads to `port`, each connection limited in both directions (KB: 1000 bytes)."""
        listen = free_port()
        name = f"p{listen}"
        proxy = {"name": name, "listen": f"127.0.0.1:{listen}", "upstream": f"127.0.0.1:{port}", "enabled": True}
        httpx.post(f"{self.control}/proxies", json=proxy).raise_for_status()
        for stream in ("upstream", "downstream"):
            toxic = {"type": "bandwidth", "stream": stream, "attributes": {"rate": rate_kb_per_s}}
            httpx.post(f"{self.control}/proxies/{name}/toxics", json=toxic).raise_for_status()
        return listen


def toxiproxy(environ: Mapping[str, str]) -> Path:
    """Return the server's program, compiling it the first time."""
    return programs.build(programs.TOXIPROXY, Places.of(environ), go_version=programs.go_version()) / "toxiproxy"


@contextmanager
def running_toxiproxy(folder: Path, *, program: Path) -> Iterator[Toxiproxy]:
    """Run toxiproxy."""
    port = free_port()
    with serving([program, "-host", "127.0.0.1", "-port", str(port)], port=port, log=folder / "toxiproxy.log"):
        yield Toxiproxy(f"http://127.0.0.1:{port}")
