"""The stand-in's settings, from the environment. Every one has a default that suits the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

API_TOKEN = "r8_stand_in"  # the stand-in's own
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the Standard Webhooks specification's example


@dataclass(frozen=True)
class Settings:
    """Defaults of the stand-in, which an input can override."""

    port: int = 8080
    public_url: str = "http://127.0.0.1:8080"
    """Base of the URLs of files and predictions."""
    api_token: str = API_TOKEN
    webhook_secret: str = WEBHOOK_SECRET
    media_file: Path = Path("/opt/media/bigbuckbunny.mp4")
    predict_s: float = 1.0
    file_lifetime_s: float = 3600.0
    webhook_waits_s: tuple[float, ...] = (1, 2, 4, 8, 15, 30)
    """Between deliveries of a terminal event; the last comes a minute after completion, as Replicate's does."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Settings:
        """Return the settings that the environment names, the defaults for the rest."""
        default = cls()
        waits = variables.get("WEBHOOK_WAITS_SECONDS")
        return cls(
            port=int(variables.get("PORT", default.port)),
            public_url=variables.get("PUBLIC_URL", default.public_url).rstrip("/"),
            api_token=variables.get("API_TOKEN", default.api_token),
            webhook_secret=variables.get("WEBHOOK_SECRET", default.webhook_secret),
            media_file=Path(variables.get("MEDIAIMPORT_MEDIA", default.media_file.parent), default.media_file.name),
            predict_s=float(variables.get("PREDICT_SECONDS", default.predict_s)),
            file_lifetime_s=float(variables.get("FILE_LIFETIME_SECONDS", default.file_lifetime_s)),
            webhook_waits_s=tuple(map(float, waits.split(","))) if waits else default.webhook_waits_s,
        )
