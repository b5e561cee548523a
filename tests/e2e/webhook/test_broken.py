"""Resource that cannot be shown, as kubectl can make it: it breaks nobody's list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.webhook_process import TOKEN, running_webhook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installation.world import World


@pytest.mark.parametrize("levels", [300, 5000])
def test_deeply_nested_metadata_fail_no_list(
    world: World, webhook: httpx.Client, environment: dict[str, str], tmp_path: Path, levels: int
) -> None:
    name = f"deep-{levels}"
    manifest = json.dumps(world.manifest(name, {"source": {"url": "https://example.com/a"}, "suspend": True}))
    metadata = '{"a":' * levels + "0" + "}" * levels
    world.kubectl("create", "-f", "-", given=manifest.replace('"spec": {', f'"spec": {{"metadata": {metadata}, '))
    variables = {name: value for name, value in environment.items() if name.startswith(("S3_", "KUBECONFIG"))}
    variables |= {"NAMESPACE": world.namespace, "S3_ADDRESSING_STYLE": "path"}
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    def broken(client: httpx.Client) -> dict[str, str | None]:
        answer = client.get("/api/v1/media/").raise_for_status()
        return {each["import_job_id"]: each["broken"] for each in answer.json()["assets"]}

    try:
        world.wait_until(lambda: name in broken(webhook), "its place in the list that the watch feeds")
        # One that starts reads the resource in a list.
        with running_webhook(tmp_path, variables) as new, httpx.Client(base_url=new.url, headers=bearer) as client:
            assert f"nested {levels} levels deep" in str(broken(client)[name])
        assert f"nested {levels} levels deep" in str(broken(webhook)[name])
    finally:
        world.kubectl("delete", "mi", name)
