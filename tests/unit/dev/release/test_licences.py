from __future__ import annotations

import pytest

from dev.release import licences


def test_every_locked_requirement_is_on_the_page() -> None:
    page = licences.page()
    pins = [pin for lock in licences.LOCKS for pin in licences.pins(lock.read_text())]
    assert [name for name, version in pins if f"| {name} | {version} | " not in page] == []
    assert len(pins) > 40


def test_expression_of_the_metadata_is_taken_before_free_text() -> None:
    assert licences.licence("a", expression="Apache-2.0 AND (MIT OR ISC)", text="whatever") == (
        "Apache-2.0 AND (MIT OR ISC)"
    )


def test_free_text_is_brought_to_its_spdx_name() -> None:
    assert licences.licence("a", expression="", text="Apache License 2.0") == "Apache-2.0"


@pytest.mark.parametrize("declared", ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "Proprietary", ""])
def test_licence_that_nobody_has_read_is_refused(declared: str) -> None:
    with pytest.raises(licences.UnknownLicenceError, match="read it"):
        licences.licence("a", expression=declared, text="")


def test_requirement_is_found_with_its_extras_and_markers() -> None:
    lock = 'pyjwt[crypto]==2.10 \\\n    --hash=sha256:0\n    # via x\nuvloop==0.23 ; sys_platform != "win32" \\\n'
    lock += "tzdata==2026.6 ; sys_platform == 'win32' \\\n"
    assert licences.pins(lock) == [("pyjwt", "2.10"), ("uvloop", "0.23")]
