"""What the demo prints: what happens, when, and whether what must hold does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Claim:
    """Something that must hold, and what was found."""

    text: str
    holds: bool
    found: str

    def __str__(self) -> str:
        """Return a line for a terminal."""
        return f"{'✓' if self.holds else '✗'} {self.text}\n    {self.found}"


@dataclass
class Telling:
    """Lines with the seconds since the start."""

    out: TextIO
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    last: str = ""

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.clock()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return self.clock() - self.started

    def step(self, text: str) -> None:
        """Say what happens now; the same twice in a row is said once."""
        if text != self.last:
            self.last = text
            print(f"[{self.seconds:5.1f} s] {text}", file=self.out, flush=True)

    def show(self, title: str, body: str) -> None:
        """Show something as a whole, under the command or the request that brought it."""
        indented = "\n".join(f"    {line}" for line in body.rstrip().splitlines())
        print(f"\n{title}\n\n{indented}\n", file=self.out, flush=True)
