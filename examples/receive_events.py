"""A receiver of MediaImport's events: `SIGNING_KEY=whsec_… uvicorn receive_events:app`.

It needs `pip install starlette uvicorn standardwebhooks`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

SIGNING_KEY = Webhook(os.environ["SIGNING_KEY"])
seen: set[str] = set()  # In production: a unique column of your database, written in one transaction with the work.


async def receive(request: Request) -> Response:
    """Verify the raw body before anything is read of it, and answer before the work is done: ten seconds are all."""
    body = await request.body()
    try:
        SIGNING_KEY.verify(body, dict(request.headers))
    except WebhookVerificationError:
        return Response(status_code=401)
    if request.headers["webhook-id"] not in seen:
        seen.add(request.headers["webhook-id"])
        event = json.loads(body)
        print(event["type"], event["data"]["id"], flush=True)  # noqa: T201 - here your work is queued
    return Response(status_code=204)


app = Starlette(routes=[Route("/hooks/mediaimport", receive, methods=["POST"])])
