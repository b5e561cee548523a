from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator
from mediaimport_runtime.environment import BadSettingError
from mediaimport_webhook.generation.aliases import InputField, ModelAlias, read_models_file
from mediaimport_webhook.http.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ({"type": "string"}, "", ""),
        ({"type": "string", "values": {"5s": 81}}, "5s", 81),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 3, 3),
        ({"type": "number"}, 1, 1),
        ({"type": "number"}, 0.5, 0.5),
        ({"type": "boolean"}, False, False),
        ({"type": "seconds", "minimum": 1, "maximum": 10}, "5s", 5),
    ],
)
def test_good_value_is_said_as_the_model_wants_it(field: dict[str, object], value: object, expected: object) -> None:
    assert InputField.model_validate(field).convert(value) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"type": "integer"}, True),
        ({"type": "integer", "maximum": 3}, 4),
        ({"type": "number"}, "1"),
        ({"type": "boolean"}, 1),
        ({"type": "seconds"}, 5),
        ({"type": "seconds"}, "5"),
        ({"type": "seconds"}, "\N{ARABIC-INDIC DIGIT FIVE}s"),
        ({"type": "seconds"}, "-5s"),
        ({"type": "seconds", "maximum": 10}, "11s"),
    ],
)
def test_bad_value_is_refused(field: dict[str, object], value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be"):
        InputField.model_validate(field).convert(value)


def test_fields_go_under_the_models_own_names_and_null_is_absent() -> None:
    fields = {"length": {"type": "seconds", "to": "num_seconds"}, "seed": {"type": "integer"}}
    alias = ModelAlias.model_validate({"model": "o/n", "input": fields, "fixed": {"fast": True}})
    assert alias.model_input({"length": "5s", "seed": None}) == {"num_seconds": 5, "fast": True}


def test_every_wrong_field_is_named_at_once() -> None:
    fields = {"prompt": {"type": "string", "required": True}, "seed": {"type": "integer"}}
    alias = ModelAlias.model_validate({"model": "o/n", "input": fields})
    with pytest.raises(Problem) as refusal:
        alias.model_input({"seed": "x", "other": 1})
    assert [each.pointer for each in refusal.value.errors] == ["/other", "/prompt", "/seed"]


@pytest.mark.parametrize(
    "models",
    [
        [],
        {"webhook": {"model": "a/b", "input": {}}},
        {"predictions": {"model": "a/b", "input": {}}},
        {"Upper": {"model": "a/b", "input": {}}},
        {"a": {"model": "no-owner", "input": {}}},
        {"a": {"model": "a/b/../c", "input": {}}},
        {"a": {"model": "a/b", "version": "latest", "input": {}}},
        {"a": {"model": "a/b"}},
        {"a": {"model": "a/b", "input": {"x": {"type": "date"}}}},
        {"a": {"model": "a/b", "input": {"x": {"type": "integer", "values": {"1": 1}}}}},
        {"a": {"model": "a/b", "input": {"x": {"type": "string", "values": {"s": 1}, "default": "l"}}}},
        {"a": {"model": "a/b", "input": {"x": {"type": "string", "colour": "red"}}}},
    ],
)
def test_bad_models_file_is_one_line_that_names_the_variable(tmp_path: Path, models: object) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(models))
    with pytest.raises(BadSettingError, match=r"^REPLICATE_MODELS_FILE") as refusal:
        read_models_file(path)
    assert "\n" not in str(refusal.value)


def test_models_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"a": {"model": "o/n", "input": {}}}))
    assert read_models_file(path)["a"].model == "o/n"


def test_schema_of_the_input_accepts_what_the_alias_accepts() -> None:
    model = ModelAlias.model_validate(
        {
            "model": "a/b",
            "input": {
                "prompt": {"type": "string", "required": True, "maxLength": 20},
                "size": {"type": "string", "values": {"small": 1, "large": 2}, "default": "small"},
                "steps": {"type": "integer", "minimum": 1, "maximum": 50},
                "strength": {"type": "number", "maximum": 1.5},
                "loop": {"type": "boolean"},
                "duration": {"type": "seconds", "minimum": 5, "required": True, "default": "5s"},
            },
        }
    )
    schema = model.input_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    good: dict[str, object] = {
        "prompt": "a rabbit",
        "size": "large",
        "steps": 4,
        "strength": 1.5,
        "loop": True,
        "duration": "10s",
    }
    bad: list[dict[str, object]] = [
        {"prompt": ""},
        {"prompt": "x" * 21},
        {"size": "huge"},
        {"steps": 0},
        {"steps": 1.5},
        {"strength": 2},
        {"loop": 1},
        {"duration": "soon"},
        {"seed": 1},
    ]
    assert schema["required"] == ["prompt"]
    for body in (good, {"prompt": "a rabbit"}):
        assert validator.is_valid(body)
        model.model_input(body)
    for change in bad:
        assert not validator.is_valid(good | change)
        with pytest.raises(Problem):
            model.model_input(good | change)
    assert 'seconds, such as "5s", at least 5' in json.dumps(schema, ensure_ascii=False).replace('\\"', '"')
