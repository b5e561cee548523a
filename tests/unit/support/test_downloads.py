from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.downloads import bigbuckbunny

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_video_that_an_image_brings_along_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bigbuckbunny.mp4").touch()
    monkeypatch.setenv("MEDIAIMPORT_MEDIA", str(tmp_path))
    assert bigbuckbunny() == tmp_path / "bigbuckbunny.mp4"


def test_video_that_was_fetched_before_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "mediaimport/media/bigbuckbunny.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    monkeypatch.delenv("MEDIAIMPORT_MEDIA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert bigbuckbunny() == video
