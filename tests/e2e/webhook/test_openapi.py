"""Running webhook, tested by schemathesis against its OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.schemathesis_run import schemathesis_run

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.installation.world import World

EXAMPLES = 40


def test_schemathesis_finds_no_undocumented_answer(idle: World, webhook: httpx.Client, tmp_path: Path) -> None:
    token = webhook.headers["authorization"].removeprefix("Bearer ")
    url = str(webhook.base_url).rstrip("/")
    # An endpoint that it makes would never be reached, and hold up deletions.
    run = schemathesis_run(
        url, "--exclude-path-regex", "/webhooks", token=token, folder=tmp_path, examples=EXAMPLES, timeout_s=500
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert idle.pod_of("webhook")
