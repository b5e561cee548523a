from __future__ import annotations

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_operator.settings.operator import Settings
from mediaimport_runtime.environment import Environment

from dev.generate import client_types, environment, markdown, reasons, resource, values

VALUES = """\
# What is kept.
store:
  # Its name.
  bucket: ""
  sizes: [80, 443]

# Not of the next key.

models:
  # Inside.
  one: {model: a/b}
"""


def test_every_reason_has_a_section_with_its_remedy() -> None:
    page = reasons.page()
    assert [each for each in Reason if f"## {each}\n\n{each.facts.sentence}" not in page] == []
    assert [each for each in Reason if f"](#{each.lower()})" not in page] == []
    assert "- The importer's exit code: 14\n" in page


def test_every_field_of_spec_and_status_is_told_with_its_kind() -> None:
    page = resource.page()
    assert "| `spec.source` | object |  | required;" in page
    assert "| `spec.source.url` | string |  | http, https, or a data: URI" in page
    assert (
        "| `spec.type` | `auto`, `video`, `image`, `audio`, `model3d`, `document`, `archive`, `file` | `auto` |" in page
    )
    assert "| `status.attempts[].jobName` | string |" in page
    assert "| `status.conditions` | list of object |" in page


def test_value_has_the_comment_right_above_it_alone() -> None:
    read = {".".join(each.path): each.meaning for each in values.read(VALUES)}
    assert read == {"store": "What is kept.", "store.bucket": "Its name.", "store.sizes": "", "models": ""}


def test_section_is_no_value_and_a_free_map_is_one() -> None:
    assert [".".join(each.path) for each in values.read(VALUES) if each.is_section] == ["store"]


def test_variables_are_those_that_a_program_reads() -> None:
    read = environment.variables(Settings.read)
    assert read["MAX_IN_FLIGHT"] == ("whole number, at least 1", "10", False)
    assert read["IMPORTER_IMAGE"] == ("text", "", True)


@pytest.mark.parametrize("name", ["IMPORTER_IMAGE", "OPERATOR_NAMESPACE", "S3_BUCKET_NAME"])
def test_required_is_what_a_program_does_not_start_without(name: str) -> None:
    given = {"IMPORTER_IMAGE": "i", "PROBER_IMAGE": "p", "OPERATOR_NAMESPACE": "n", "S3_BUCKET_NAME": "b"}
    Settings.read(Environment(given))
    with pytest.raises(Exception, match=name):
        Settings.read(Environment({key: value for key, value in given.items() if key != name}))
    assert environment.variables(Settings.read)[name][2]


def test_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown.table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |\n"


def test_type_of_the_client_is_what_a_schema_allows() -> None:
    page = client_types.page()
    assert "    progress: Progress | None\n" in page
    assert '    type: Literal["video", "image", "audio", "model3d", "document", "archive", "file"] | None\n' in page
    assert "    generation: NotRequired[Generation]\n" in page
    assert client_types.type_of({"type": "object", "additionalProperties": {"type": "integer"}}) == "dict[str, int]"
    assert client_types.type_of({"type": "array", "items": {"const": 1}}) == "list[Literal[1]]"
    assert client_types.type_of({}) == "Any"
