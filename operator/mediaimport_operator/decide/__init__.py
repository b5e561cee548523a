"""Decisions: `Observed` in, `Plan` out. No I/O; the clock is a field of `Observed`."""
