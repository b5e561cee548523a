"""Output of the demo: steps with their time, and checks with their result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Claim:
    """Statement that must hold, with the values found."""

    text: str
    holds: bool
    found: str

    def __str__(self) -> str:
        """Return a line for a terminal."""
        return f"{'✓' if self.holds else '✗'} {self.text}\n    {self.found}"


@dataclass
class Output:
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
        """Seconds since the start."""
        return self.clock() - self.started

    def step(self, text: str) -> None:
        """Print a step; the same text twice in a row is printed once."""
        if text != self.last:
            self.last = text
            print(f"[{self.seconds:5.1f} s] {text}", file=self.out, flush=True)

    def show(self, title: str, body: str) -> None:
        """Print a block under a title, such as the command or request that produced it."""
        indented = "\n".join(f"    {line}" for line in body.rstrip().splitlines())
        print(f"\n{title}\n\n{indented}\n", file=self.out, flush=True)
