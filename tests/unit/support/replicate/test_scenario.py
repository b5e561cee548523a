from __future__ import annotations

import pytest
from pydantic import JsonValue, ValidationError

from tests.support.replicate.scenario import File, Scenario, fill, scenario_of


def test_ordinary_model_succeeds_with_a_video() -> None:
    assert scenario_of(model="wan-video/wan-2.5-t2v", given={"prompt": "a rabbit"}) == Scenario()


def test_model_of_the_stand_in_chooses_the_file_or_the_outcome() -> None:
    assert scenario_of(model="stand-in/html", given={}).file is File.HTML
    assert scenario_of(model="stand-in/failed", given={}).outcome == "failed"


def test_input_wins_over_the_model() -> None:
    assert scenario_of(model="stand-in/html", given={"stand_in": {"file": "empty"}}).file is File.EMPTY


def test_typo_is_refused() -> None:
    with pytest.raises(ValidationError, match="fiel"):
        scenario_of(model="a/b", given={"stand_in": {"fiel": "empty"}})


def test_every_place_of_an_output_gets_a_url_of_its_own() -> None:
    output: JsonValue = {"video": "{file}", "guitar": None, "parts": [{"audio": "{file}"}, "text"]}
    assert fill(output, url_of="http://host/{}") == {
        "video": "http://host/0",
        "guitar": None,
        "parts": [{"audio": "http://host/1"}, "text"],
    }
