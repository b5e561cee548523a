"""Model aliases: the inputs that a caller may send, and their conversion to the model's own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mediaimport_runtime.environment import BadSettingError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Kind = type | tuple[type, ...]
_SECONDS = re.compile(r"([0-9]{1,6})s")
_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True)


class InputField(BaseModel):
    """Input field of an alias. `seconds` is a text such as "5s", which the model gets as a number."""

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
        """Return the model's value for a caller's value; ValueError says what is wrong with it."""
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

    def json_schema(self) -> dict[str, JsonValue]:
        """Return the JSON Schema of a caller's value."""
        bounds: dict[str, JsonValue] = {"minimum": self.minimum, "maximum": self.maximum}
        rule: dict[str, JsonValue]
        match self.type:
            case "string" if self.values is not None:
                rule = {"enum": list(self.values)}
            case "string":
                rule = {"maxLength": self.max_length, "minLength": 1 if self.required else None}
            case "boolean":
                rule = {}
            case "integer" | "number":
                rule = bounds
            case "seconds":
                # The bounds are of the number, which a schema of a text cannot say.
                words = " ".join(f"{word} {bound:g}" for word, bound in self._limits())
                rule = {
                    "pattern": f"^{_SECONDS.pattern}$",
                    "description": f'seconds, such as "5s"{words and ", "}{words}',
                }
        kind = "string" if self.type == "seconds" else self.type
        whole = {"type": kind, "default": self.default, **rule}
        return {name: value for name, value in whole.items() if value is not None}

    def _limits(self) -> list[tuple[str, float]]:
        given = (("at least", self.minimum), ("at most", self.maximum))
        return [(word, bound) for word, bound in given if bound is not None]

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
    def _of_type(value: object, kind: _Kind, description: str) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"must be {description}")
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
    """Model under the name that callers use."""

    model_config = _CONFIG

    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    input: dict[str, InputField]
    fixed: dict[str, JsonValue] = Field(default_factory=dict)

    def input_schema(self) -> dict[str, JsonValue]:
        """Return the JSON Schema of a caller's body, without the assets' tags."""
        required: list[JsonValue] = [
            name for name, rule in self.input.items() if rule.required and rule.default is None
        ]
        return {
            "type": "object",
            "properties": {name: rule.json_schema() for name, rule in self.input.items()},
            "required": required,
            "additionalProperties": False,
        }

    def model_input(self, body: Mapping[str, object]) -> dict[str, JsonValue]:
        """Return the model's own input; a 422 Problem names every wrong field."""
        errors = [
            problems.FieldError(problems.pointer_of([name]), "is not a field of this model")
            for name in body.keys() - self.input
        ]
        converted = dict(self.fixed)
        for name, rule in self.input.items():
            value = body.get(name, rule.default)
            if value is None:
                if rule.required:
                    errors.append(problems.FieldError(problems.pointer_of([name]), "is required"))
                continue
            try:
                converted[rule.to or name] = rule.convert(value)
            except ValueError as error:
                errors.append(problems.FieldError(problems.pointer_of([name]), str(error)))
        if errors:
            raise problems.invalid(sorted(errors, key=lambda each: each.pointer))
        return converted


_Alias = Annotated[str, Field(pattern=r"^(?!(webhook|predictions)$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
_FILE = TypeAdapter(dict[_Alias, ModelAlias], config=ConfigDict(regex_engine="python-re"))


def read_models_file(path: Path) -> Mapping[str, ModelAlias]:
    """Return the aliases of the models file; BadSettingError says where it is wrong."""
    try:
        models = _FILE.validate_python(json.loads(path.read_text()))
        for alias, model in models.items():
            _check_defaults(alias, model)
    except ValidationError as error:
        raise BadSettingError(f"REPLICATE_MODELS_FILE: {problems.first_error(error)}") from None
    except (OSError, ValueError) as error:
        raise BadSettingError(f"REPLICATE_MODELS_FILE: {error}") from None
    return models


def _check_defaults(alias: str, model: ModelAlias) -> None:
    for name, rule in model.input.items():
        if rule.values is not None and rule.type != "string":
            raise ValueError(f"/{alias}/input/{name}: values need type string")
        if rule.default is not None:
            try:
                rule.convert(rule.default)
            except ValueError as error:
                raise ValueError(f"/{alias}/input/{name}/default: {error}") from None
