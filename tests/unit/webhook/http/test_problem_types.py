from __future__ import annotations

import ast
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import mediaimport_webhook
from mediaimport_webhook.http.problem_types import PROBLEM_TYPES

from dev.generate import problems as page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.webhook import RunningWebhook

OF_STARLETTE = {("method-not-allowed", 405)}


def raised() -> Iterator[tuple[str, int]]:
    """Yield slug and status of every Problem that the code makes with both of them written out."""
    for file in Path(mediaimport_webhook.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(args=[ast.Attribute(attr=status), ast.Constant(value=str(slug)), *_]):
                    if status in HTTPStatus.__members__:
                        yield slug, int(HTTPStatus[status])


def test_every_problem_that_the_code_raises_is_listed_and_no_other() -> None:
    assert {(each.slug, each.status) for each in PROBLEM_TYPES} == set(raised()) | OF_STARLETTE


def test_page_has_a_section_for_each_problem(webhook: RunningWebhook) -> None:
    type_url = webhook.call("GET", "/api/v1/media/none").json()["type"]
    assert f"\n## {type_url.rpartition('/')[2]}\n" in page.page()
    assert page.page().count("\n## ") == len(PROBLEM_TYPES) == len({each.slug for each in PROBLEM_TYPES})
