from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.master_keys import MasterKeys

if TYPE_CHECKING:
    from pathlib import Path

KEYS = MasterKeys((b"a" * 32,))


def read(directory: Path) -> MasterKeys | None:
    return MasterKeys.read(Environment({"USER_ENDPOINTS_KEYS_DIRECTORY": str(directory)}))


def test_without_the_variable_there_are_none() -> None:
    assert MasterKeys.read(Environment({})) is None


def test_current_key_comes_first_and_neither_is_shown(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("a" * 32 + "\n")
    (tmp_path / "previous").write_text("b" * 32)
    keys = read(tmp_path)
    assert keys == MasterKeys((b"a" * 32, b"b" * 32))
    assert "aaa" not in repr(keys)


@pytest.mark.parametrize(("name", "content"), [("other", "a" * 32), ("current", "a" * 31)])
def test_missing_or_short_key_ends_the_start(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadSettingError, match="USER_ENDPOINTS_KEYS_DIRECTORY") as raised:
        read(tmp_path)
    assert "aaa" not in str(raised.value)


def test_signing_key_is_that_of_standard_webhooks_and_stays_the_same() -> None:
    key = KEYS.signing_key("we_1", 1)
    assert key == "whsec_DFFnshtqya1jXq66saerjhRvWAku5DL7TjVDnRPkUVU="
    assert len(base64.b64decode(key.removeprefix("whsec_"))) == 32


def test_each_endpoint_number_and_master_key_has_its_own() -> None:
    other = MasterKeys((b"b" * 32,))
    keys = [KEYS.signing_key("we_1", 1), KEYS.signing_key("we_2", 1), KEYS.signing_key("we_1", 2)]
    assert len({*keys, other.signing_key("we_1", 1)}) == 4


def test_messages_are_signed_by_the_number_before_too() -> None:
    both = MasterKeys((b"b" * 32, b"a" * 32))
    assert KEYS.signing_keys("we_1", 1) == (KEYS.signing_key("we_1", 1),)
    assert set(KEYS.signing_keys("we_1", 3)) == {KEYS.signing_key("we_1", 3), KEYS.signing_key("we_1", 2)}
    assert set(both.signing_keys("we_1", 1)) == {both.signing_key("we_1", 1), KEYS.signing_key("we_1", 1)}
