"""Clashes of the cluster's addresses with those of this machine: its own, a VPN's, another cluster's."""

from __future__ import annotations

import ipaddress
import json
import shutil
from typing import TYPE_CHECKING, Any

from dev.cluster import addresses
from dev.cluster.commands import output
from dev.cluster.errors import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Iterator

Network = ipaddress.IPv4Network

RANGES = {
    "link to the node": ipaddress.IPv4Network(f"{addresses.HOST}/{addresses.LINK_PREFIX}", strict=False),
    "pods": ipaddress.IPv4Network(addresses.PODS),
    "Services": ipaddress.IPv4Network(addresses.SERVICES),
}
# The kernel makes these by itself for each address.
_IMPLIED = {"local", "broadcast", "multicast", "anycast"}


def check() -> None:
    """Raise CannotRunHereError if another interface or route has addresses that the cluster needs.

    Without `ip` there is nothing to ask yet; the node's start asks again.
    """
    if shutil.which("ip"):
        own, routed = (
            output(("ip", "-json", "-4", *what)) for what in (("address",), ("route", "show", "table", "all"))
        )
        found = clashes(json.loads(own or "[]"), json.loads(routed or "[]"))
        if found:
            raise CannotRunHereError(
                f"this machine uses addresses that the cluster needs: {'; '.join(found)}. Nothing was set up: take "
                "that interface down for the time being, or set KUBECONFIG to another cluster (kind, k3d, …)"
            )


def clashes(own: list[dict[str, Any]], routes: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each clash; `own` and `routes` are the answers of `ip -json`."""
    used = dict.fromkeys((*_addresses(own), *_routes(routes)))
    return [
        f"{network} of the interface {interface} overlaps {needed} ({purpose})"
        for interface, network in used
        if interface != addresses.HOST_INTERFACE and network.prefixlen > 0  # the default route goes everywhere
        for purpose, needed in RANGES.items()
        if network.overlaps(needed)
    ]


def _addresses(own: list[dict[str, Any]]) -> Iterator[tuple[str, Network]]:
    for link in own:
        for address in link.get("addr_info", []):
            yield link["ifname"], Network(f"{address['local']}/{address['prefixlen']}", strict=False)


def _routes(routes: list[dict[str, Any]]) -> Iterator[tuple[str, Network]]:
    for route in routes:
        if route.get("type") not in _IMPLIED and route.get("dst", "default") != "default":
            hops = [hop.get("dev", "") for hop in route.get("nexthops", [])] or [route.get("dev", "")]
            for interface in hops:
                yield interface or f"(none: {route.get('type', 'unicast')} route)", Network(route["dst"], strict=False)
