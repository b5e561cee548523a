"""Names in the documents exist: files, folders, links, headings, modules, make targets and texts of the log."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OTHERS = {ROOT / "CHANGELOG.md", ROOT / "docs/importer.md"}
"""The changelog tells of files as they were; the importer's page is held by the tests that it lists."""
CLIENTS = (ROOT / "clients/README.md", *ROOT.glob("clients/*/README.md"))
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *CLIENTS} - OTHERS)
FOLDERS = (
    *(
        "charts",
        "checks",
        "clients",
        "crds",
        "dev",
        "docs",
        "examples",
        "importer",
        "operator",
        "prober",
        "requirements",
    ),
    *("runtime", "tests", "webhook"),
)

CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
FILE = re.compile(rf"(?<![\w./$-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
LINK = re.compile(r"\]\(\s*([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(\s*([^)#\s]*)#([^)]+)\)")
MODULE = re.compile(r"python -m (?P<name>(?:mediaimport_\w+|dev)(?:\.\w+)*)")
TARGETS = re.compile(r"\bmake((?: [a-z][a-z0-9-]*(?![\w./=-]))+)")
PLACEHOLDER = re.compile(r"NAME|NNNN")


def code_of(text: str) -> str:
    """Return all code of a page, one piece a line."""
    return "\n".join(block or span for block, span in CODE.findall(text))


def missing_files(text: str) -> list[str]:
    named = {each.rstrip("./") for each in FILE.findall(code_of(text)) if not PLACEHOLDER.search(each)}
    return sorted(each for each in named if not any(ROOT.glob(each)))


def missing_links(page: Path, text: str) -> list[str]:
    named = {each for each in LINK.findall(CODE.sub("", text)) if "://" not in each}
    return sorted(each for each in named if not (page.parent / each).exists())


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them; of equal ones, the first."""
    headings = re.findall(r"^#+ (.+?)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def missing_anchors(page: Path, text: str) -> list[str]:
    found = []
    for name, anchor in ANCHOR.findall(CODE.sub("", text)):
        target = page.parent / name if name else page
        if "://" not in name and target.suffix == ".md" and anchor not in anchors(target.read_text()):
            found.append(f"{name}#{anchor}")
    return sorted(found)


def missing_modules(text: str) -> list[str]:
    return sorted({each for each in MODULE.findall(code_of(text)) if find_spec(each) is None})


def missing_targets(text: str) -> list[str]:
    rules = re.findall(r"^([a-z][a-z0-9%-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    known = re.compile("|".join(each.replace("%", r"[a-z]+") for each in rules))
    named = {each for targets in TARGETS.findall(code_of(text)) for each in targets.split()}
    return sorted(each for each in named if known.fullmatch(each) is None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()

    assert missing_files(text) == []
    assert missing_links(page, text) == []
    assert missing_anchors(page, text) == []
    assert missing_modules(text) == []
    assert missing_targets(text) == []


def test_what_is_not_there_is_found() -> None:
    text = (
        "`operator/gone.py`, [a page](gone.md), `python -m dev.gone`, `make lint gone`; `tests/unit/NAME`, `docs/*.md`"
    )

    assert missing_files(text) == ["operator/gone.py"]
    assert missing_links(ROOT / "README.md", text) == ["gone.md"]
    assert missing_anchors(ROOT / "README.md", "[a](docs/install.md#gone) [b](#install)") == ["docs/install.md#gone"]
    assert missing_modules(text) == ["dev.gone"]
    assert missing_targets(text) == ["gone"]


def test_readme_links_every_page_for_users() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [str(each.relative_to(ROOT)) for each in sorted((ROOT / "docs").glob("*.md"))]

    assert len(pages) > 20
    assert [each for each in pages if f"]({each})" not in readme] == []


def test_texts_of_the_log_that_debugging_lists_are_in_the_code() -> None:
    section = (ROOT / "docs/debugging.md").read_text().partition("## Read the operator's")[2].partition("\n## ")[0]
    texts = re.findall(r"^\| `([a-z][^`]*)` \|", section, re.MULTILINE)
    texts.remove("msg")
    code = "".join(each.read_text() for folder in ("operator", "webhook") for each in (ROOT / folder).rglob("*.py"))

    assert len(texts) > 10
    assert [each for each in texts if f'"{each}"' not in code] == []


def test_architecture_lists_the_import_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    section = (ROOT / "docs/architecture.md").read_text().partition("\n## Layers\n")[2].partition("\n## ")[0]

    assert re.findall(r"^- (.+)$", section, re.MULTILINE) == [each["name"] for each in contracts]
