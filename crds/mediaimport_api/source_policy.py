"""Source policy, against SSRF: allowed URLs, ports and addresses. Pure.

The importer, which resolves and connects, checks every address with it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The ports of the allowed schemes."""

DENIED_IPV4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
)  # fmt: skip
"""IANA's special-purpose registry, the 6to4 relay, and Azure's wire server, which has a public address.

The metadata servers of other clouds are link-local, or in 100.64.0.0/10 (Alibaba) or 192.0.0.0/24 (Oracle).
"""

_PUBLIC_IPV6 = IPv6Network("2000::/3")
"""The allocated part of IPv6: loopback, ULA, link-local and every translated form of IPv4 are outside."""

DENIED_IPV6 = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
"""Special-purpose networks inside: Teredo and other protocols, documentation, 6to4."""

_NAT64 = IPv6Network("64:ff9b::/96")


def _embedded(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped or NAT64 one: packets go there."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in each for each in DENIED_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in each for each in DENIED_IPV6)


@dataclass(frozen=True)
class SourcePolicy:
    """The configured exceptions: allowed ports, and allowed networks that are not public."""

    allowed_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset(DEFAULT_PORTS.values())

    def address_refusal(self, address: Address) -> str | None:
        """Return the reason why an address is not allowed; None if it is."""
        target = _embedded(address)
        if any(target in net for net in self.allowed_networks if net.version == target.version):
            return None
        return None if _is_public(target) else f"{address} is not a public address"

    def url_refusal(self, url: str) -> str | None:
        """Return the reason why an http(s) URL is not allowed, without resolving its name; None if it is."""
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
        except ValueError:
            return "it is not a valid URL"
        if parts.scheme not in DEFAULT_PORTS:
            return f"its scheme is {parts.scheme or 'missing'}; use http or https"
        if parts.username is not None or parts.password is not None:
            return "it carries credentials"
        if not parts.hostname:
            return "it names no host"
        if port not in self.ports:
            return f"port {port} is not allowed"
        return self._literal_refusal(parts.hostname)

    def _literal_refusal(self, host: str) -> str | None:
        try:
            return self.address_refusal(ipaddress.ip_address(host))
        except ValueError:
            return self._name_refusal(host.rstrip(".").lower())

    def _name_refusal(self, host: str) -> str | None:
        if self.allowed_networks:
            return None
        private = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
        return f"{host} is not a public name" if private else None


def url_host(url: str) -> str | None:
    """Return the host of an http(s) URL in lower case; None for a data: URI or no URL."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
