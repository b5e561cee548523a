"""Presigned GETs, many a second, by botocore's own signature.

A client of the SDK finds the endpoint anew for each URL, derives the signing key anew, and looks through the headers
three times: that takes ten times as long.
"""

from __future__ import annotations

import asyncio
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode

from botocore import auth
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError

from mediaimport_webhook.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from botocore.credentials import ReadOnlyCredentials

_PROBE = "media"
_SIGNATURE_MARK = "&X-Amz-Signature="
_STEPS = 4
"""Of the derivation of a signing key, which holds for a day."""


class _Address(NamedTuple):
    """Beginning of all URLs, in the style of addresses that the client finds, and the region that it signs for."""

    base: str
    region: str


class QuerySigner:
    """Signs under the address and with the credentials of a client of boto3."""

    def __init__(self, client: Any, *, bucket: str, lifetime_s: int) -> None:  # noqa: ANN401 - boto3 makes its types at run time
        self._client = client
        self._bucket = bucket
        self._lifetime_s = lifetime_s
        self._address: _Address | None = None
        self._signature: _HostSignature | None = None

    async def url(self, key: str, answered_with: Mapping[str, str] | None = None) -> str:
        """Return a URL; StoreUnavailableError. `answered_with`: `response-…` parameters."""
        parameters = answered_with or {}
        # The SDK's chain may use the network to find or renew credentials: then it runs in a thread.
        if self._is_ready():
            return self._signed(key, parameters)
        return await asyncio.to_thread(self._signed, key, parameters)

    def _signed(self, key: str, answered_with: Mapping[str, str]) -> str:
        try:
            address = self._address = self._address or self._found_address()
            signature, path = self._current_signature(address), quote(key, safe="/~")
            if not answered_with:
                return signature.plain(address.base).url(path)
            request = AWSRequest("GET", f"{address.base}{path}?{urlencode(answered_with, quote_via=quote)}")
            signature.add_auth(request)
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__) from error
        return str(request.url)

    def _is_ready(self) -> bool:
        """Tell whether neither address nor credentials have to be found first."""
        if self._address is None:
            return False
        credentials = self._client._get_credentials()  # noqa: SLF001 - botocore has no public access to them
        is_renewed = getattr(credentials, "refresh_needed", None)
        return is_renewed is None or not is_renewed()

    def _found_address(self) -> _Address:
        """Return that of a URL of the client."""
        parameters = {"Bucket": self._bucket, "Key": _PROBE}
        url: str = self._client.generate_presigned_url("get_object", parameters, ExpiresIn=self._lifetime_s)
        base, _, query = url.partition("?")
        (credential,) = parse_qs(query)["X-Amz-Credential"]
        return _Address(base.removesuffix(_PROBE), credential.split("/")[-3])

    def _current_signature(self, address: _Address) -> _HostSignature:
        """Return that of the current credentials: temporary ones are renewed before they expire."""
        credentials = self._client._get_credentials()  # noqa: SLF001 - botocore has no public access to them
        if credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        if self._signature is None or self._signature.credentials != frozen:
            self._signature = _HostSignature(frozen, "s3", address.region, expires=self._lifetime_s)
        return self._signature


class _HostSignature(S3SigV4QueryAuth):
    """Signature of GETs of one host without further headers: what they have in common is computed once."""

    @cached_property
    def _derived(self) -> Any:  # noqa: ANN401 - functools' own type
        return lru_cache(maxsize=_STEPS)(super()._sign)  # type: ignore[misc]  # the stubs lack it

    def _sign(self, key: Any, msg: Any, hex: Any = False) -> Any:  # noqa: A002, ANN401, FBT002 - botocore's signature
        """Return the HMAC: the last one is of the request, those before are steps of the derivation."""
        return super()._sign(key, msg, hex=True) if hex else self._derived(key, msg)  # type: ignore[misc]

    def headers_to_sign(self, request: Any) -> Any:  # noqa: ANN401 - botocore's
        """Return the only one, `Host`."""
        if self._headers is None:
            self._headers = super().headers_to_sign(request)
        return self._headers

    def canonical_headers(self, headers_to_sign: Any) -> Any:  # noqa: ANN401 - botocore's
        """Return it as it is signed."""
        if self._canonical is None:
            self._canonical = super().canonical_headers(headers_to_sign)
        return self._canonical

    def signed_headers(self, headers_to_sign: Any) -> Any:  # noqa: ANN401 - botocore's
        """Return its name."""
        if self._names is None:
            self._names = super().signed_headers(headers_to_sign)
        return self._names

    def plain(self, base: str) -> _PlainUrls:
        """Return the URLs below that address that are signed in this second."""
        now = auth.get_current_datetime().replace(microsecond=0)  # type: ignore[attr-defined]  # the stubs lack it
        if self._plain is None or self._plain.signed_at != now:
            self._plain = _PlainUrls(self, base, now)
        return self._plain

    _plain: _PlainUrls | None = None
    _headers: Any = None
    _canonical: Any = None
    _names: Any = None


class _PlainUrls:
    """URLs without parameters of their own that are signed in one second: only path and signature differ.

    botocore signs the first one; what it made of that takes a quarter of the time for each further one.
    """

    def __init__(self, signature: _HostSignature, base: str, signed_at: datetime) -> None:
        self.signed_at = signed_at
        self._signature = signature
        self._base = base
        self._request = AWSRequest("GET", f"{base}{_PROBE}")
        signature.add_auth(self._request)
        self._request.url, self._mark, _ = str(self._request.url).rpartition(_SIGNATURE_MARK)
        self._query = self._request.url.partition("?")[2]
        # The method, the path, and what all have in common: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        method, path, self._rest = signature.canonical_request(self._request).split("\n", 2)
        self._begin = f"{method}\n{path.removesuffix(_PROBE)}"

    def url(self, path: str) -> str:
        """Return the URL of a quoted path."""
        text = self._signature.string_to_sign(self._request, f"{self._begin}{path}\n{self._rest}")
        signature = self._signature.signature(text, self._request)
        return f"{self._base}{path}?{self._query}{self._mark}{signature}"
