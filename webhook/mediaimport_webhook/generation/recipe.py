"""Recipe of a generated asset: what the generator says of its making, as far as a resource can hold it. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from mediaimport_api.json_depth import MAX_PROVIDER_BYTES, json_bytes
from mediaimport_api.model import MAX_COUNT
from mediaimport_api.spec import MAX_INPUT_FIELDS, MAX_METRICS, Provider

from mediaimport_webhook.generation.redaction import REDACTED, names_secret, redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pydantic import JsonValue

    from mediaimport_webhook.generation.providers import Prediction
    from mediaimport_webhook.settings import InputProvenance

MAX_TEXT_BYTES = 4096
"""Of a text that is kept as it is."""
_MAX_KEY_BYTES = 256
_MAX_LEVELS = 16
_MAX_WORK = 128 * 1024
"""Bytes of texts that are looked through for secrets, and other values as `_WORK_OF_VALUE`: a bound of the time."""
_WORK_OF_VALUE = 8
_MAX_LOGS = 16 * 1024
_LOGGED_SEED = re.compile(
    r"^[ \t]{0,8}(?:(?:using|random|global|set)[ \t]){0,2}seed[ \t]{0,4}(?:[:=]|is|to|set to)?[ \t]{0,4}"
    r"([0-9]{1,39})[ \t.\r]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_SEED = re.compile(r"[0-9]{1,39}")
_AROUND_BYTES = len(',"input":{},"metrics":{}')


_Part = Literal["input", "metrics"]


@dataclass(frozen=True)
class Recipe:
    """Account of the making by a generator, which may be any JSON."""

    input: JsonValue = None
    metrics: JsonValue = None
    seed: str | None = None
    started_at: datetime | None = None
    is_partial: bool = False
    """True if the generator left something out that it would tell of this prediction alone."""


@dataclass(frozen=True)
class _Field:
    """Field of the input or of the metrics as it is recorded; `size_bytes` is its length in JSON, with its comma."""

    part: _Part
    key: str
    value: Any
    size_bytes: int


@dataclass(frozen=True)
class RecordedRecipe:
    """Recipe as it is recorded; `provider` makes it fit."""

    prediction: Prediction
    fields: tuple[_Field, ...]
    truncated: bool

    def provider(self, pointer: str) -> Provider:
        """Return the spec's provider for the output at that pointer: of what does not fit, the largest is left out."""
        room_bytes = (
            MAX_PROVIDER_BYTES - json_bytes(self._provider(pointer, (), truncated=True).to_wire()) - _AROUND_BYTES
        )
        left_out: set[int] = set()
        size_bytes = sum(each.size_bytes for each in self.fields)
        for index in sorted(range(len(self.fields)), key=lambda index: -self.fields[index].size_bytes):
            if size_bytes <= room_bytes:
                break
            left_out.add(index)
            size_bytes -= self.fields[index].size_bytes
        kept = tuple(each for index, each in enumerate(self.fields) if index not in left_out)
        return self._provider(pointer, kept, truncated=self.truncated or bool(left_out))

    def _provider(self, pointer: str, fields: tuple[_Field, ...], *, truncated: bool) -> Provider:
        prediction, recipe = self.prediction, self.prediction.recipe
        parts = {part: {each.key: each.value for each in fields if each.part == part} for part in ("input", "metrics")}
        return Provider(
            name=prediction.provider,
            id=prediction.id,
            pointer=pointer,
            model=prediction.model,
            version=prediction.version,
            input=parts["input"] or None,
            metrics=parts["metrics"] or None,
            seed=recipe.seed,
            created_at=prediction.created_at,
            started_at=recipe.started_at,
            completed_at=prediction.completed_at,
            truncated=truncated or None,
        )


def recorded(prediction: Prediction, provenance: InputProvenance) -> RecordedRecipe:
    """Return the recipe of a prediction as it is recorded, once for all of its outputs."""
    recorder = _Recorder()
    fields = (
        *recorder.input_fields(prediction.recipe.input, provenance),
        *recorder.fields("metrics", prediction.recipe.metrics, MAX_METRICS, recorder.kept),
    )
    return RecordedRecipe(prediction, fields, recorder.truncated)


def seed_of(*candidates: object) -> str | None:
    """Return the first that is a whole number, as text: seeds have more digits than JSON's readers keep."""
    for each in candidates:
        text = str(each) if isinstance(each, int | str) and not isinstance(each, bool) else ""
        if _SEED.fullmatch(text):
            return text
    return None


def logged_seed(logs: object) -> str | None:
    """Return the seed that a model's logs tell: the only place of one that the model chose itself."""
    found = _LOGGED_SEED.search(logs[:_MAX_LOGS]) if isinstance(logs, str) else None
    return None if found is None else found[1]


def member(value: JsonValue, name: str) -> JsonValue:
    """Return that field of an object, None for anything else."""
    return value.get(name) if isinstance(value, dict) else None


class _LeftOutError(Exception):
    """Value that cannot be recorded."""


class _Recorder:
    """Makes of any JSON what the API server keeps; `truncated` once something had to be left out."""

    def __init__(self) -> None:
        self.truncated = False
        self._budget = _MAX_WORK

    def input_fields(self, model_input: JsonValue, provenance: InputProvenance) -> tuple[_Field, ...]:
        """Return the fields of the input: whole, or hashed, or none."""
        if provenance == "none":
            return ()
        keep = self._hashed if provenance == "hashed" else self.kept
        return self.fields("input", model_input, MAX_INPUT_FIELDS, keep)

    def fields(self, part: _Part, values: JsonValue, most: int, keep: Callable[[str, Any], Any]) -> tuple[_Field, ...]:
        """Return the fields of an object, none of anything else. The lightest are made first, for the budget."""
        if not isinstance(values, dict):
            return ()
        if len(values) > most:
            self.truncated = True
        given = list(islice(values.items(), most))
        lightest_first = sorted(range(len(given)), key=lambda index: _weight(given[index][1]))
        made = {index: self._field(part, *given[index], keep) for index in lightest_first}
        found = (made[index] for index in range(len(given)))
        return tuple(each for each in found if each is not None)

    def _field(self, part: _Part, name: str, value: Any, keep: Callable[[str, Any], Any]) -> _Field | None:  # noqa: ANN401 - JSON
        """Return the field, None if it cannot be recorded."""
        try:
            key, kept = self._key(name), keep(name, value)
        except _LeftOutError:
            self.truncated = True
            return None
        return _Field(part, key, kept, json_bytes(key) + json_bytes(kept) + len(":,"))

    def kept(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the value of a field, redacted where it is a secret."""
        return self._value(value, _MAX_LEVELS, is_secret=names_secret(name))

    @staticmethod
    def _hashed(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        return _digest(_raw(value))

    def _value(self, value: Any, levels: int, *, is_secret: bool) -> Any:  # noqa: ANN401 - JSON
        self._spend(_WORK_OF_VALUE)
        if isinstance(value, dict | list):
            return self._container(value, levels - 1, is_secret=is_secret)
        if value is None or isinstance(value, bool):
            return value
        if is_secret:
            return REDACTED
        return self._text(value) if isinstance(value, str) else self._number(value)

    def _container(self, value: dict[str, Any] | list[Any], levels: int, *, is_secret: bool) -> Any:  # noqa: ANN401 - JSON
        """Return an object or array; if its name is a secret's, all that it holds is."""
        if levels == 0:
            return _digest(_raw(value))
        if isinstance(value, list):
            return [self._value(each, levels, is_secret=is_secret) for each in value]
        return {
            self._key(key): self._value(each, levels, is_secret=is_secret or names_secret(key))
            for key, each in value.items()
        }

    def _text(self, text: str) -> Any:  # noqa: ANN401 - JSON
        raw = text.encode(errors="replace")
        if len(raw) > MAX_TEXT_BYTES or text.lstrip()[:5].lower() == "data:":
            return _digest(raw)
        self._spend(len(raw))
        return redacted(raw.decode())

    def _number(self, number: float) -> Any:  # noqa: ANN401 - JSON
        """Return a number that every JSON reader represents exactly, else its digits; JSON has no infinity."""
        if isinstance(number, int):
            return number if abs(number) <= MAX_COUNT else self._text(str(number))
        return number if math.isfinite(number) else json.dumps(number)

    def _spend(self, work: int) -> None:
        self._budget -= work
        if self._budget < 0:
            raise _LeftOutError

    @staticmethod
    def _key(name: str) -> str:
        raw = name.encode(errors="replace")
        if len(raw) > _MAX_KEY_BYTES:
            raise _LeftOutError
        return raw.decode()


def _weight(value: JsonValue) -> int:
    """Return the order in which fields are made: plain values, texts by their length, then what may be anything."""
    if isinstance(value, dict | list):
        return MAX_TEXT_BYTES + 1
    return min(len(value), MAX_TEXT_BYTES) if isinstance(value, str) else 0


def _raw(value: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return the bytes that a hash is over: a text's own, of anything else its JSON with sorted keys."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    except RecursionError:
        raise _LeftOutError from None


def _digest(raw: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
