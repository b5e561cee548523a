"""Termination of the webhook under load: callbacks in progress are answered and saved."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from mediaimport_api import names

from tests.support.replicate.callbacks import callback
from tests.support.replicate.prediction import new_id
from tests.support.replicate.settings import WEBHOOK_SECRET
from tests.support.webhook_process import WebhookProcess, running_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.installation.world import World

CALLBACKS = 60


@pytest.fixture
def namespace(world: World) -> Iterator[str]:
    """Namespace that no operator watches, so that its imports never start."""
    kube, name = world.installation.kube, f"{world.namespace}-drain"
    kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    yield name
    kube.kubectl("delete", "namespace", name, "--wait=false")


async def call(webhook: WebhookProcess, predictions: list[str]) -> list[int]:
    """Send all callbacks, terminate the webhook after the first answer, and return all status codes."""
    connector = aiohttp.TCPConnector(limit=len(predictions))
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(prediction: str) -> int:
            body, headers = callback(prediction)
            async with session.post(f"{webhook.url}/api/v1/replicate/webhook", data=body, headers=headers) as answer:
                await answer.read()
                return answer.status

        sending = [asyncio.create_task(send(each)) for each in predictions]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        os.kill(webhook.pid, signal.SIGTERM)
        return await asyncio.gather(*sending)


def ended(pid: int) -> bool:
    """Tell whether a child process has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_callbacks_in_progress_are_answered_and_saved(
    world: World, namespace: str, environment: dict[str, str], tmp_path: Path
) -> None:
    variables = {name: value for name, value in environment.items() if name.startswith(("S3_", "KUBECONFIG"))}
    variables |= {"NAMESPACE": namespace, "S3_ADDRESSING_STYLE": "path", "REPLICATE_WEBHOOK_SECRETS": WEBHOOK_SECRET}
    predictions = [new_id() for _ in range(CALLBACKS)]
    with running_webhook(tmp_path, variables) as webhook:
        started = time.monotonic()
        assert asyncio.run(call(webhook, predictions)) == [200] * CALLBACKS
        world.wait_until(lambda: ended(webhook.pid), "the webhook's end", timeout_s=30)
        assert time.monotonic() - started < 30
    found = world.installation.kube.get(names.PLURAL, namespace=namespace)["items"]
    assert sorted(each["spec"]["source"]["provider"]["id"] for each in found) == sorted(predictions)
