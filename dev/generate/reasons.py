"""docs/reference/reasons.md: every reason, from the enum that conditions, Events and exit codes share."""

from __future__ import annotations

from mediaimport_api.reasons import MAX_PATIENCE, MAX_UNCOUNTED, Reason, Retry

from dev.generate.markdown import NOTICE, anchor, table

_INTRODUCTION = """# Reasons

Why an import is as it is: `kubectl get mediaimports -o wide` shows the reason and a message, `status.error` the last
failure, `status.attempts` each attempt's. Events and the conditions use the same words.

"""
_RETRIES = {
    Retry.NEVER: "no",
    Retry.COUNTED: "yes, until `limits.attempts` are spent",
    Retry.UNCOUNTED: (
        "yes, not counted, until `source.expiresAt`; without it for"
        f" {MAX_PATIENCE.total_seconds() / 3600:.0f} hours from the run's start; at least {MAX_UNCOUNTED} times"
    ),
    Retry.MORE_MEMORY: "once, with more memory",
    Retry.UNTIL_EXPIRY: (
        "yes, not counted, with growing waits, until `source.expiresAt`; without it for"
        f" {MAX_PATIENCE.total_seconds() / 3600:.0f} hours from the run's start; at least `limits.attempts` times"
    ),
}


def page() -> str:
    """Return the page."""
    rows = [[f"[{each}](#{anchor(each)})", each.facts.sentence] for each in Reason]
    return NOTICE + _INTRODUCTION + table(["reason", "meaning"], rows) + "".join(_section(each) for each in Reason)


def _section(reason: Reason) -> str:
    facts = reason.facts
    exits = "" if facts.exit_code is None else f"- The importer's exit code: {facts.exit_code.value}\n"
    again = _RETRIES[facts.retry]
    return f"\n## {reason}\n\n{facts.sentence}\n\n- To do: {facts.remedy}\n- Tried again: {again}\n{exits}"
