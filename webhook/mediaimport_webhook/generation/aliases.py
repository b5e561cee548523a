"""Model aliases: what a caller may ask of a generator, and how it is said to the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from mediaimport_webhook.http.problems import FieldError, invalid, pointer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_Kind = type | tuple[type, ...]
_SECONDS = re.compile(r"([0-9]{1,6})s")
_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True)


class InputField(BaseModel):
    """One field of an alias's input. `seconds` is a text such as "5s" that the model gets as a number."""

    model_config = _CONFIG

    type: Literal["string", "integer", "number", "boolean", "seconds"]
    required: bool = False
    default: JsonValue = None
    max_length: Annotated[int, Field(alias="maxLength", ge=1)] = 10_000
    minimum: float | None = None
    maximum: float | None = None
    values: Annotated[dict[str, JsonValue], Field(min_length=1)] | None = None
    to: str | None = None

    def convert(self, value: object) -> JsonValue:
        """Return what the model gets for a caller's value; ValueError says what is wrong with it."""
        match self.type:
            case "string":
                return self._text(value)
            case "boolean":
                return bool(self._of_type(value, bool, "true or false"))
            case "integer":
                return self._bounded(self._of_type(value, int, "a whole number"))
            case "number":
                return self._bounded(self._of_type(value, (int, float), "a number"))
            case "seconds":
                return self._bounded(self._seconds(value))

    def _text(self, value: object) -> JsonValue:
        if self.values is not None:
            if not isinstance(value, str) or value not in self.values:
                raise ValueError(f"must be one of {', '.join(self.values)}")
            return self.values[value]
        text: str = self._of_type(value, str, "a text")
        if self.required and not text.strip():
            raise ValueError("must not be empty")
        if len(text) > self.max_length:
            raise ValueError(f"must be at most {self.max_length} characters")
        return text

    @staticmethod
    def _of_type(value: object, kind: _Kind, words: str) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"must be {words}")
        return value

    @staticmethod
    def _seconds(value: object) -> int:
        match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be a number of seconds such as "5s"')
        return int(match[1])

    def _bounded(self, number: float) -> float:
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"must be at least {self.minimum:g}")
        if self.maximum is not None and number > self.maximum:
            raise ValueError(f"must be at most {self.maximum:g}")
        return number


class ModelAlias(BaseModel):
    """A model under the name that callers use for it."""

    model_config = _CONFIG

    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    input: dict[str, InputField]
    fixed: dict[str, JsonValue] = Field(default_factory=dict)

    def model_input(self, given: Mapping[str, object]) -> dict[str, JsonValue]:
        """Return the model's own input; a 422 Problem names every field that is wrong."""
        errors = [FieldError(pointer_of([name]), "is not a field of this model") for name in given.keys() - self.input]
        converted = dict(self.fixed)
        for name, rule in self.input.items():
            value = given.get(name, rule.default)
            if value is None:
                if rule.required:
                    errors.append(FieldError(pointer_of([name]), "is required"))
                continue
            try:
                converted[rule.to or name] = rule.convert(value)
            except ValueError as error:
                errors.append(FieldError(pointer_of([name]), str(error)))
        if errors:
            raise invalid(sorted(errors, key=lambda each: each.pointer))
        return converted


_Alias = Annotated[str, Field(pattern=r"^(?!(webhook|predictions)$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
_FILE = TypeAdapter(dict[_Alias, ModelAlias], config=ConfigDict(regex_engine="python-re"))


def read_models(content: object) -> dict[str, ModelAlias]:
    """Return the aliases of a models file; pydantic's ValidationError says where it is wrong."""
    models = _FILE.validate_python(content)
    for alias, model in models.items():
        _check_defaults(alias, model)
    return models


def _check_defaults(alias: str, model: ModelAlias) -> None:
    for name, rule in model.input.items():
        if rule.values is not None and rule.type != "string":
            raise ValueError(f"/{alias}/input/{name}: values go with type string only")
        if rule.default is not None:
            try:
                rule.convert(rule.default)
            except ValueError as error:
                raise ValueError(f"/{alias}/input/{name}/default: {error}") from None
