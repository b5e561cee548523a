"""JSON that no careful program writes, as hypothesis strategies, and the text of it.

FUZZ_EXAMPLES sets how many examples a fuzz test tries; then they are new ones at each run.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
MAX_DIGITS = 5000
HALF = "\ud83d"
"""Half a surrogate pair, which JSON can escape and UTF-8 cannot carry."""


def fuzzed(examples: int) -> settings:
    """Return the settings of a fuzz test: that many examples, always the same, or FUZZ_EXAMPLES new ones."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


@dataclass(frozen=True)
class Token:
    """Text that stands in the JSON as it is."""

    text: str

    def __repr__(self) -> str:
        return f"Token({self.text[:20]!r}, {len(self.text)} characters)"


@dataclass(frozen=True)
class Members:
    """Object whose keys may repeat."""

    items: tuple[tuple[str, Any], ...]


def text_of(value: Any) -> str:  # noqa: ANN401 - JSON and the two classes above
    """Return the JSON text, in ASCII."""
    match value:
        case Token():
            return value.text
        case Members():
            return "{" + ",".join(f"{json.dumps(key)}:{text_of(each)}" for key, each in value.items) + "}"
        case dict():
            return text_of(Members(tuple(value.items())))
        case list():
            return "[" + ",".join(map(text_of, value)) + "]"
    return json.dumps(value)


def nested(levels: int, inner: str = "0") -> Token:
    """Return arrays in arrays."""
    return Token("[" * levels + inner + "]" * levels)


plain_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.one_of(
    plain_texts,
    st.text(max_size=20),
    st.sampled_from(
        [HALF, f"{HALF}{HALF}", f"a{HALF}", "\0", "", "\u202e", "é" * 300, "x" * 70_000, "__proto__", "~0~1/", "data:"]
    ),
)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([4299, 4300, 4301, MAX_DIGITS]).map(lambda digits: Token("9" * digits)),
    st.sampled_from(["1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity", "-0", "1E9999999"]).map(Token),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.lists(st.tuples(texts, inner), max_size=4).map(lambda items: Members(tuple(items)))
    twice = st.tuples(texts, inner, inner).map(lambda each: Members(((each[0], each[1]), (each[0], each[2]))))
    return st.one_of(st.lists(inner, max_size=4), members, twice)


values = st.one_of(st.recursive(scalars, _containers, max_leaves=12), st.sampled_from([2, 33, 200]).map(nested))
"""Any JSON value, or nearly JSON."""


def around(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any], *, levels: int) -> Any:  # noqa: ANN401 - JSON
    """Return garbage of at most so many levels that has the value in it."""
    for _ in range(draw(st.integers(0, levels))):
        siblings = draw(st.lists(values, max_size=2))
        place = draw(st.integers(0, len(siblings)))
        if draw(st.booleans()):
            value = [*siblings[:place], value, *siblings[place:]]
        else:
            keys = draw(st.lists(texts, min_size=len(siblings) + 1, max_size=len(siblings) + 1))
            # The last of two equal keys is the one that is read.
            value = Members((*zip(keys, siblings, strict=False), (keys[-1], value)))
    return value
