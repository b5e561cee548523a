"""Rate limits: token buckets of users, and of the addresses that send requests without valid credentials."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from mediaimport_webhook.http import problems
from mediaimport_webhook.http.limits import is_unchecked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mediaimport_webhook.metrics import Metrics

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BURST_S = 2
"""Seconds' worth of requests that may come at once."""
_MAX_BUCKETS = 10_000
_MAX_PROXIES = 32
_IPV6_SITE_BITS = 64
"""One customer of a network has at least that many addresses."""
_PROBES = frozenset({"/healthz", "/readyz"})
_CREDENTIALS = ("authorization", "webhook-signature", "x-fal-webhook-signature")
_AUTHENTICATED = "mediaimport.authenticated"
_CHARGE = "mediaimport.charge"
_PORT = re.compile(r"\[(?P<bracketed>[^\]]*)\](?::\d+)?|(?P<plain>[\d.]+):\d+")
"""Address with brackets or a port, as some proxies write it."""


def mark_authenticated(scope: Scope) -> None:
    """Note that a request has valid credentials: a token, or a callback's signature."""
    scope[_AUTHENTICATED] = True


def mark_limited(scope: Scope, charge: Callable[[int], None]) -> None:
    """Note how a request takes more tokens of its user."""
    scope[_CHARGE] = charge


def charge(scope: Scope, requests: int) -> None:
    """Count a request for so many requests of its user more. It goes on; the user's next one waits for their tokens."""
    if requests > 0 and _CHARGE in scope:
        scope[_CHARGE](requests)


class RateLimiter:
    """Token buckets, in this process alone: N replicas let N times as many requests through."""

    def __init__(self, per_second: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def retry_after_s(self, key: str) -> int:
        """Take a token and return 0; return the whole seconds until there is one if the bucket is empty."""
        tokens, now = self._tokens(key)
        is_allowed = tokens >= 1
        self._store(key, (tokens - 1 if is_allowed else tokens, now))
        return 0 if is_allowed else self._wait_s(tokens)

    def take(self, key: str, tokens: int) -> None:
        """Take so many tokens; what the bucket does not have, it owes."""
        held, now = self._tokens(key)
        self._store(key, (held - tokens, now))

    def is_empty(self, key: str) -> bool:
        """Return whether a request of that key would have to wait; take nothing."""
        return key in self._buckets and self._tokens(key)[0] < 1

    def _tokens(self, key: str) -> tuple[float, float]:
        now, capacity = self._monotonic(), float(self._per_second * _BURST_S)
        tokens, filled_at = self._buckets.get(key, (capacity, now))
        return min(capacity, tokens + (now - filled_at) * self._per_second), now

    def _wait_s(self, tokens: float) -> int:
        return math.ceil((1 - tokens) / self._per_second)

    def _store(self, key: str, bucket: tuple[float, float]) -> None:
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)


def too_many_requests(retry_after_s: int) -> problems.Problem:
    """Return 429."""
    detail = "Too many requests; wait as long as Retry-After says."
    headers = {"Retry-After": str(retry_after_s)}
    return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)


@dataclass(frozen=True)
class AddressLimit:
    """ASGI middleware: limits the requests without valid credentials that one address sends.

    A request that brings credentials is always looked at, since users and a generator may share an address with
    strangers: only its refusal takes a token, and not if its credentials could not be checked. One that
    brings none is refused at once when the bucket is empty.
    """

    app: ASGIApp
    limiter: RateLimiter
    address_of: Callable[[Scope], str]
    """Returns the key of a sender's bucket."""
    metrics: Metrics
    has_valid_token: Callable[[Scope], Awaitable[bool]]
    """Asked about an answer for which nobody looked at the token, such as a public page or a 404."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self.app(scope, receive, send)
            return
        if not _has_credentials(Headers(scope=scope)) and self.limiter.is_empty(key := self.address_of(scope)):
            await self._refuse(self.limiter.retry_after_s(key), scope, receive, send)
        else:
            await self._charged(scope, receive, send)

    async def _charged(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a token when the answer begins, unless somebody has authenticated the request by then."""
        is_refused = False

        async def send_or_refuse(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start" and await self._is_strangers(scope, message):
                retry_after_s = self.limiter.retry_after_s(self.address_of(scope))
                if retry_after_s > 0:
                    is_refused = True
                    await self._refuse(retry_after_s, scope, receive, send)
            if not is_refused:
                await send(message)

        await self.app(scope, receive, send_or_refuse)

    async def _is_strangers(self, scope: Scope, start: Message) -> bool:
        """Return whether an answer costs a token: also a 5xx, unless credentials could not be checked."""
        headers = Headers(scope=scope)
        if scope.get(_AUTHENTICATED, False) or (is_unchecked(scope) and _has_credentials(headers)):
            return False
        is_refused = start["status"] == HTTPStatus.UNAUTHORIZED
        return is_refused or "authorization" not in headers or not await self.has_valid_token(scope)

    async def _refuse(self, retry_after_s: int, scope: Scope, receive: Receive, send: Send) -> None:
        self.metrics.rate_limited()
        await too_many_requests(retry_after_s).response()(scope, receive, send)


def _has_credentials(headers: Headers) -> bool:
    return any(each in headers for each in _CREDENTIALS)


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """Return the address of the first sender, from the right of X-Forwarded-For, that is no trusted proxy."""
    address = (scope.get("client") or ("", 0))[0]
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    for each in reversed(forwarded[-_MAX_PROXIES:]):
        sender = _without_port(each.strip())
        if not _is_in(address, trusted_proxies) or _parsed(sender) is None:
            break
        address = sender
    return address


def bucket_of(address: str) -> str:
    """Return the key of an address's bucket: of IPv6 the network of 64 bits."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))
    return "" if parsed is None else str(parsed)


def _without_port(text: str) -> str:
    """Return the address of `192.0.2.1:51234` and `[2001:db8::1]:443`; other text as it is."""
    match = _PORT.fullmatch(text)
    return (match["bracketed"] or match["plain"] or "") if match else text


def _parsed(text: str) -> Address | None:
    """Return the address; an IPv4 one that is written as IPv6 is itself."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in each for each in networks)
