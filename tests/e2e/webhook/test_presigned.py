"""Leaked presigned URL: it reads one object until it expires, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

from tests.support.webhook_process import TOKEN, running_webhook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installation.world import World

LIFETIME_S = 5


def test_leaked_url_expires_and_grants_nothing_else(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    name = world.create("leaked", {"source": {"url": world.file_url()}, "userId": "default"})
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    variables = {name: value for name, value in environment.items() if name.startswith(("S3_", "KUBECONFIG"))}
    variables |= {"NAMESPACE": world.namespace, "S3_ADDRESSING_STYLE": "path", "PRESIGN_SECONDS": str(LIFETIME_S)}
    with (
        running_webhook(tmp_path, variables) as short,
        httpx.Client(base_url=short.url, headers={"Authorization": f"Bearer {TOKEN}"}) as webhook,
        httpx.Client(verify=world.tls) as stranger,
    ):
        shown = webhook.get(f"/api/v1/media/{asset['id']}").json()
        leaked, other = shown["url"], shown["thumbnail_url"]
        expires_at = datetime.fromisoformat(shown["expires_at"])
        assert 0 < (expires_at - datetime.now(UTC)).total_seconds() <= LIFETIME_S
        assert stranger.get(leaked).content == world.film
        assert stranger.delete(leaked).status_code == 403
        assert stranger.put(leaked, content=b"mine").status_code == 403
        sidecar = leaked.replace("/video.mp4?", "/asset.json?")
        assert sidecar != leaked
        assert stranger.get(sidecar).status_code == 403

        world.wait_until(lambda: stranger.get(leaked).status_code == 403, "the leaked URL's end", timeout_s=15)
        assert datetime.now(UTC) >= expires_at
        assert stranger.get(other).status_code == 403
        again = webhook.get(f"/api/v1/media/{asset['id']}").json()["url"]
        assert again != leaked
        assert stranger.get(again).content == world.film
        assert TOKEN not in (tmp_path / "webhook.log").read_text()
        assert "X-Amz-Signature" not in (tmp_path / "webhook.log").read_text()
