"""Paths of a chart's values that its templates read: an interpreter of Go templates that follows `.` and variables.

It knows no values, so it walks through both branches of every condition. A value is the path of a chart's value, a
list (the arguments of a template), the root that Helm gives, or None: anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Path = tuple[str, ...]

_ACTION = re.compile(r"\{\{-?\s*(?:/\*.*?\*/|(.*?))\s*-?\}\}", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|:=|\)(?:\.\w+)*|[=|(,]|\$[\w]*(?:\.\w+)*|\.\w+(?:\.\w+)*|\.|[\w-]+')
_OPENING = {"if", "with", "range", "define", "block"}
# Functions through which a whole map is read, with all that is in it.
_WHOLE = {"toYaml", "toJson"}
# Functions that give a map of their arguments again.
_PASSING = {"merge", "omit"}


class _Root:
    """Context of a chart's file."""


ROOT = _Root()
Value = _Root | Path | list["Value"] | None


class _Word(str):
    """Name of a function, or a literal."""

    __slots__ = ()


Operand = Value | _Word


@dataclass
class _Block:
    """Action with what it encloses."""

    keyword: str
    expression: list[str]
    body: list[_Block] = field(default_factory=list)
    otherwise: list[_Block] = field(default_factory=list)


@dataclass
class ReadValues:
    """Paths that templates read; `whole` those of maps that are read with all that is in them."""

    exact: set[Path] = field(default_factory=set)
    whole: set[Path] = field(default_factory=set)

    def has(self, path: Path) -> bool:
        """Tell whether a template reads the value."""
        return path in self.exact or any(path[:length] in self.whole for length in range(1, len(path) + 1))


def read_values(files: Iterable[str]) -> ReadValues:
    """Return what the files of a chart read, each with the templates that it includes."""
    parsed = [_parse(text) for text in files]
    defined = {
        each.expression[0].strip('"'): each.body for blocks in parsed for each in blocks if each.keyword == "define"
    }
    interpreter = _Interpreter(defined, ReadValues())
    for blocks in parsed:
        interpreter.run([each for each in blocks if each.keyword != "define"], ROOT, {"$": ROOT})
    return interpreter.found


def _parse(text: str) -> list[_Block]:
    actions = ((match[1] or "").strip() for match in _ACTION.finditer(text))
    return _blocks(_TOKEN.findall(action) for action in actions if action)[0]


def _blocks(actions: Iterator[list[str]]) -> tuple[list[_Block], list[str]]:
    """Return blocks up to the end of the enclosing one, and the action that ends it."""
    blocks: list[_Block] = []
    for tokens in actions:
        if tokens[0] in {"end", "else"}:
            return blocks, tokens
        block = _Block("", tokens)
        if tokens[0] in _OPENING:
            block = _Block(tokens[0], tokens[1:])
            block.body, ending = _blocks(actions)
            _add_otherwise(block, ending, actions)
        blocks.append(block)
    return blocks, []


def _add_otherwise(block: _Block, ending: list[str], actions: Iterator[list[str]]) -> None:
    if ending[:1] == ["else"] and ending[1:]:
        following = _Block(ending[1], ending[2:])
        following.body, after = _blocks(actions)
        _add_otherwise(following, after, actions)
        block.otherwise = [following]
    elif ending[:1] == ["else"]:
        block.otherwise, _ = _blocks(actions)


@dataclass
class _Interpreter:
    defined: dict[str, list[_Block]]
    found: ReadValues

    def run(self, blocks: list[_Block], dot: Value, variables: dict[str, Value]) -> None:
        for block in blocks:
            names, expression = _assigned(block.expression)
            value = _Expression(self, list(expression), dot, variables).value()
            for name in names:
                variables[name] = value if len(names) == 1 else None
            if block.keyword == "range" and len(names) > 1:
                self.read_whole(value)
            if not block.keyword and not names:
                self.read_whole(value)
            inside = value if block.keyword in {"with", "block"} else dot
            self.run(block.body, None if block.keyword == "range" else inside, variables)
            self.run(block.otherwise, dot, variables)

    def include(self, name: str, dot: Value) -> None:
        self.run(self.defined[name], dot, {"$": dot})

    def read(self, value: Value) -> None:
        if isinstance(value, tuple):
            self.found.exact.add(value)

    def read_whole(self, value: Value) -> None:
        if isinstance(value, tuple):
            self.found.whole.add(value)


def _assigned(tokens: list[str]) -> tuple[list[str], list[str]]:
    """Return the variables to which an action assigns, and the rest of it."""
    for sign in (":=", "="):
        if sign in tokens:
            place = tokens.index(sign)
            return [each for each in tokens[:place] if each != ","], tokens[place + 1 :]
    return [], tokens


@dataclass
class _Expression:
    interpreter: _Interpreter
    tokens: list[str]
    dot: Value
    variables: dict[str, Value]

    def value(self) -> Value:
        """Return the value of a pipeline, up to its end or its closing parenthesis with the fields behind that."""
        call: list[Operand] = []
        while self.tokens:
            token = self.tokens.pop(0)
            if token.startswith(")"):
                return self._field(self._called(call), _fields(token))
            if token == "|":
                piped = self._called(call)
                call = [_Word(self.tokens.pop(0)), *self._operands(), piped]
            else:
                call.append(self._operand(token))
        return self._called(call)

    def _operands(self) -> list[Operand]:
        found: list[Operand] = []
        while self.tokens and self.tokens[0][0] not in "|)":
            found.append(self._operand(self.tokens.pop(0)))
        return found

    def _operand(self, token: str) -> Operand:
        if token == "(":
            return self.value()
        if token.startswith("$"):
            return self._field(self.variables.get(token.partition(".")[0]), _fields(token))
        return self._field(self.dot, _fields(token)) if token.startswith(".") else _Word(token)

    def _field(self, value: Value, fields: list[str]) -> Value:
        if isinstance(value, _Root) and fields:
            value, fields = ((), fields[1:]) if fields[0] == "Values" else (None, [])
        found = (*value, *fields) if isinstance(value, tuple) else value if not fields else None
        self.interpreter.read(found)
        return found

    def _called(self, call: list[Operand]) -> Value:
        """Return what a function gives for its arguments, or the only operand."""
        name, arguments = (call[0], call[1:]) if call else (None, [])
        if not isinstance(name, _Word):
            return name
        values = [None if isinstance(each, _Word) else each for each in arguments]
        if name in _WHOLE:
            for each in values:
                self.interpreter.read_whole(each)
        if name == "include" and isinstance(arguments[0], _Word):
            self.interpreter.include(arguments[0].strip('"'), values[1])
        if name == "list":
            return values
        if name == "index" and isinstance(values[0], list) and isinstance(arguments[1], _Word):
            return values[0][int(arguments[1])]
        return next((each for each in values if isinstance(each, tuple)), None) if name in _PASSING else None


def _fields(token: str) -> list[str]:
    return [each for each in token.split(".")[1:] if each]
