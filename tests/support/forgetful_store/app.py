"""Routes of the proxy: each request is signed again, without its conditions, and sent to the real store."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from mediaimport_runtime.store_settings import StoreSettings
    from starlette.requests import Request

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
_CONDITIONS = frozenset({"if-match", "if-none-match"})
_OF_THE_CONNECTION = frozenset({"connection", "expect", "host", "keep-alive", "transfer-encoding", "user-agent"})
_OF_THE_SIGNATURE = frozenset({"authorization", "x-amz-content-sha256", "x-amz-date"})
_DROPPED = _CONDITIONS | _OF_THE_CONNECTION | _OF_THE_SIGNATURE | {"accept-encoding", "content-length"}


def application(settings: StoreSettings) -> Starlette:
    """Return the store; `settings` name the real one. Bodies are held in memory: only for small ones."""
    store = _Store(settings)
    return Starlette(
        routes=[
            Route("/healthz", lambda _: Response("ok")),
            Route("/{path:path}", store.answer, methods=_METHODS),
        ]
    )


class _Store:
    def __init__(self, settings: StoreSettings) -> None:
        if not (settings.endpoint_url and settings.keys.access_key_id and settings.keys.secret_access_key):
            raise ValueError("the real store's endpoint and keys are needed")
        self._endpoint = settings.endpoint_url
        credentials = Credentials(settings.keys.access_key_id, settings.keys.secret_access_key)
        self._signer = S3SigV4Auth(credentials, "s3", settings.region)
        trust = ssl.create_default_context(cafile=settings.ca_bundle)
        self._client = httpx.AsyncClient(verify=trust, timeout=60, trust_env=False)

    async def answer(self, request: Request) -> Response:
        """Return what the real store answers."""
        # The signature of a presigned URL is in its query; the new one is in a header.
        query = [(name, value) for name, value in request.query_params.multi_items() if not name.startswith("X-Amz-")]
        path = request.scope["raw_path"].partition(b"?")[0].decode()
        url = httpx.URL(self._endpoint).copy_with(raw_path=path.encode(), params=query)
        headers = {name: value for name, value in request.headers.items() if name not in _DROPPED}
        body = await request.body()
        signed = AWSRequest(method=request.method, url=str(url), headers=headers, data=body)
        self._signer.add_auth(signed)
        answer = await self._client.request(request.method, url, headers=dict(signed.headers.items()), content=body)
        kept = {name: value for name, value in answer.headers.items() if name not in _OF_THE_CONNECTION}
        return Response(answer.content, status_code=answer.status_code, headers=kept)
