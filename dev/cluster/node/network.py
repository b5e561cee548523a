"""Network link between this machine and the node, with routes to pods and Services."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dev.cluster import addresses
from dev.cluster.commands import output
from dev.cluster.errors import CommandFailedError

_LINK = addresses.HOST_INTERFACE
_ROUTES = (addresses.PODS, addresses.SERVICES)


def connect(node_pid: int) -> None:
    """Link this machine and the node's network namespace; replace the link of a former node."""
    disconnect()
    _ip("link", "add", _LINK, "type", "veth", "peer", "name", "eth0", "netns", str(node_pid))
    _ip("address", "add", f"{addresses.HOST}/{addresses.LINK_PREFIX}", "dev", _LINK)
    _ip("link", "set", _LINK, "up")
    _ip_in(node_pid, "address", "add", f"{addresses.NODE}/{addresses.LINK_PREFIX}", "dev", "eth0")
    _ip_in(node_pid, "link", "set", "eth0", "up")
    _ip_in(node_pid, "route", "add", "default", "via", addresses.HOST)
    # CoreDNS binds this one; kube-proxy never learns of it, since there is no such Service.
    _ip_in(node_pid, "address", "add", f"{addresses.DNS_SERVICE}/32", "dev", "lo")
    for network in _ROUTES:
        _ip("route", "add", network, "via", addresses.NODE)


def disconnect() -> None:
    """Remove the link and, with it, its routes."""
    if Path("/sys/class/net", _LINK).exists():
        with suppress(CommandFailedError):  # the kernel removes it with the node's namespace, perhaps just now
            _ip("link", "delete", _LINK)


def _ip(*arguments: str) -> None:
    output(("ip", *arguments))


def _ip_in(node_pid: int, *arguments: str) -> None:
    output(("nsenter", "--target", str(node_pid), "--net", "ip", *arguments))
