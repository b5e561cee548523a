from __future__ import annotations

from pathlib import Path

from tests.support.replicate.settings import Settings


def test_defaults_stand_where_the_environment_is_silent() -> None:
    assert Settings.read({}) == Settings()


def test_environment_is_read() -> None:
    settings = Settings.read(
        {
            "PUBLIC_URL": "http://host/",
            "MEDIAIMPORT_MEDIA": "/m",
            "WEBHOOK_WAITS_SECONDS": "0.5,1",
            "PREDICT_SECONDS": "2",
        }
    )
    assert settings.public_url == "http://host"
    assert settings.media_file == Path("/m/bigbuckbunny.mp4")
    assert settings.webhook_waits_s == (0.5, 1)
    assert settings.predict_s == 2
