"""OpenID Connect provider on loopback: authorization code with PKCE, refresh tokens that rotate, RSA keys.

It refuses what a real one refuses: another client or redirect URI, a code twice, a wrong verifier.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, AUDIENCE = "gallery", "mediaimport"
_START_TIMEOUT_S = 30
_CORS = {"Access-Control-Allow-Origin": "*"}
_FORM = """<!doctype html><title>Sign in</title><form method="post">
<label>User <input name="user"></label>
<button>Continue</button><button name="denied" value="1">Refuse</button></form>"""
Form = dict[str, str]


@dataclass
class OidcProvider:
    """The provider. `lifetime_s` is that of the next tokens, `grants` the requests for tokens by kind."""

    url: str = ""
    lifetime_s: int = 300
    grants: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    redirect_uris: set[str] = field(default_factory=set)
    sends_issuer: str | None = None
    """Issuer that redirects name (RFC 9207); None: its own."""
    _codes: dict[str, Form] = field(default_factory=dict)
    _refresh: dict[str, Form] = field(default_factory=dict)
    _key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @contextmanager
    def running(self) -> Iterator[OidcProvider]:
        """Run it in a thread."""
        loop, started = asyncio.new_event_loop(), threading.Event()
        server = TestServer(self._app())

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(server.start_server())
            self.url = str(server.make_url("")).rstrip("/")
            started.set()
            loop.run_forever()
            loop.run_until_complete(server.close())
            loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert started.wait(_START_TIMEOUT_S)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_START_TIMEOUT_S)

    def forget_sessions(self) -> None:
        """Refuse every refresh token that is out."""
        self._refresh.clear()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks.json", self._jwks)
        app.router.add_get("/authorize", self._form)
        app.router.add_post("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        return app

    async def _discovery(self, _: web.Request) -> web.Response:
        endpoints = {
            f"{name}_endpoint": f"{self.url}/{path}"
            for name, path in (("authorization", "authorize"), ("token", "token"))
        }
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/jwks.json", **endpoints})

    async def _jwks(self, _: web.Request) -> web.Response:
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response({"keys": [public | {"kid": "one", "use": "sig"}]})

    async def _form(self, request: web.Request) -> web.Response:
        query = request.query
        wrong = query["client_id"] != CLIENT or query["redirect_uri"] not in self.redirect_uris
        if wrong or query["response_type"] != "code" or query["code_challenge_method"] != "S256":
            self.refused.append(f"authorize {escape(query['redirect_uri'])}")
            return web.Response(status=400, text="this client may not sign in from there")
        return web.Response(text=_FORM, content_type="text/html")

    async def _authorize(self, request: web.Request) -> web.Response:
        query, form = dict(request.query), await request.post()
        answer = {"state": query["state"], "iss": self.sends_issuer or self.url}
        if "denied" in form:
            answer |= {"error": "access_denied", "error_description": "You said no."}
        else:
            answer["code"] = secrets.token_urlsafe()
            self._codes[answer["code"]] = query | {"user": str(form["user"])}
        raise web.HTTPFound(f"{query['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.grants.append(form["grant_type"])
        begun = self._granted(form)
        if begun is None:
            self.refused.append(form["grant_type"])
            return web.json_response({"error": "invalid_grant"}, status=400, headers=_CORS)
        refresh = secrets.token_urlsafe()
        self._refresh[refresh] = begun
        return web.json_response(self._tokens(begun) | {"refresh_token": refresh}, headers=_CORS)

    def _granted(self, form: Form) -> Form | None:
        """Return the sign-in that a request for tokens belongs to; codes and refresh tokens work once."""
        if form["client_id"] != CLIENT:
            return None
        if form["grant_type"] == "refresh_token":
            return self._refresh.pop(form["refresh_token"], None)
        begun = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if begun is None or begun["redirect_uri"] != form["redirect_uri"] or begun["code_challenge"] != challenge:
            return None
        return begun

    def _tokens(self, begun: Form) -> dict[str, Any]:
        about = {"iss": self.url, "sub": begun["user"], "exp": int(time.time()) + self.lifetime_s}
        access = about | {"aud": begun.get("audience", CLIENT), "jti": secrets.token_hex(8)}
        return {
            "access_token": self._signed(access),
            "id_token": self._signed(about | {"aud": CLIENT, "nonce": begun["nonce"]}),
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "one"})
