"""docs/reference/problems.md: every `type` of the webhook's problem details."""

from __future__ import annotations

from http import HTTPStatus

from mediaimport_webhook.http.problem_types import PROBLEM_TYPES, ProblemType

from dev.generate.markdown import NOTICE, anchor, table

_INTRODUCTION = """# Problems

Every 4xx and 5xx of the webhook is problem JSON ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). Its `type` is
stable and ends with the name of one of the sections below; programs compare it, people read `detail`. `request_id` is
also in the header `X-Request-Id` and in the webhook's log.

"""


def page() -> str:
    """Return the page."""
    rows = [[f"[{each.slug}](#{anchor(each.slug)})", str(each.status), each.meaning] for each in PROBLEM_TYPES]
    sections = "".join(map(_section, PROBLEM_TYPES))
    return NOTICE + _INTRODUCTION + table(["problem", "status", "meaning"], rows) + sections


def _section(problem: ProblemType) -> str:
    status = f"{problem.status} {HTTPStatus(problem.status).phrase}"
    facts = f"- Status: {status}\n- `type`: `{problem.url}`\n- To do: {problem.remedy}\n"
    return f"\n## {problem.slug}\n\n{problem.meaning}\n\n{facts}"
