"""charts/mediaimport/README.md: every value, with the comment that stands above it in values.yaml."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dev.generate.markdown import NOTICE, code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).resolve().parents[2] / "charts" / "mediaimport"

_INTRODUCTION = """# The chart

    helm install mediaimport charts/mediaimport --namespace mediaimport --create-namespace --values mine.yaml --wait
    helm test mediaimport --namespace mediaimport --logs

Only `s3.bucket` has to be set, and keys unless the pods have an identity of their own. How to install, step by step:
[docs/install.md](../../docs/install.md). A value that is not here is refused by its name, before anything is installed.

"""
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z0-9_-]+):")
_WHOLE = frozenset({"models", "resources", "labels"})
"""Maps that are one value."""


@dataclass(frozen=True)
class Value:
    """Key of values.yaml. `default`: as loaded from YAML."""

    path: tuple[str, ...]
    default: Any
    meaning: str

    @property
    def is_section(self) -> bool:
        """Tell whether it is there for the keys below it."""
        return isinstance(self.default, dict) and bool(self.default) and self.path[-1] not in _WHOLE


def page() -> str:
    """Return the page."""
    values = list(read((CHART / "values.yaml").read_text()))
    rows = [
        [
            f"**{code('.'.join(each.path))}**" if each.is_section else code(".".join(each.path)),
            _default(each),
            each.meaning,
        ]
        for each in values
    ]
    return NOTICE + _INTRODUCTION + table(["value", "default", "meaning"], rows)


def read(text: str) -> Iterator[Value]:
    """Yield the keys of values.yaml in order, each with its comment."""
    loaded = yaml.safe_load(text)
    path: tuple[str, ...] = ()
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
            continue
        found = _KEY.match(line)
        if found:
            path = (*path[: len(found["indent"]) // 2], found["key"])
            if not _is_inside_whole(path):
                yield Value(path, _at(loaded, path), " ".join(comment))
        comment = []


def _is_inside_whole(path: tuple[str, ...]) -> bool:
    return any(each in _WHOLE for each in path[:-1])


def _at(loaded: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - YAML
    for key in path:
        loaded = loaded[key]
    return loaded


def _default(value: Value) -> str:
    if value.is_section or value.default in ("", [], {}):
        return ""
    if value.path[-1] == "models":
        return ", ".join(code(each) for each in value.default)
    return code(json.dumps(value.default, ensure_ascii=False).strip('"'))
