"""Webhook as a process, all it needs on loopback: imports end at once, one of four in failure, predictions never."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.webhook import MODELS, OWNER_KEY
from tests.support.webhook_process import WebhookProcess, running_webhook
from tests.support.webhook_surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def loopback_webhook(folder: Path, variables: Mapping[str, str] | None = None) -> Iterator[WebhookProcess]:
    """Run it with the models of `MODELS`, and the variables besides."""
    models = folder / "models.json"
    models.write_text(json.dumps(MODELS))
    keys = folder / "endpoint-keys"
    keys.mkdir(exist_ok=True)
    (keys / "current").write_text("k" * 32)
    own = {
        "REPLICATE_MODELS_FILE": str(models),
        "OWNER_TOKEN_KEYS": OWNER_KEY,
        "PUBLIC_BASE_URL": "https://media.test",
        "USER_ENDPOINTS_KEYS_DIRECTORY": str(keys),
    }
    with (
        Surroundings(folder).running() as around,
        running_webhook(folder, around.variables | own | dict(variables or {})) as webhook,
    ):
        yield webhook
