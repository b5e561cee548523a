from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dev.cluster.errors import CannotRunHereError
from dev.cluster.node import clashes

if TYPE_CHECKING:
    from pathlib import Path

OURS = [
    {"dst": "10.99.0.0/24", "dev": "mediaimport0"},
    {"dst": "10.96.0.0/16", "gateway": "10.99.0.2", "dev": "mediaimport0"},
]


def address(interface: str, local: str, length: int) -> dict[str, Any]:
    return {"ifname": interface, "addr_info": [{"local": local, "prefixlen": length}]}


def test_machine_with_other_addresses_has_no_clash() -> None:
    own = [address("lo", "127.0.0.1", 8), address("eth0", "192.0.2.2", 24), {"ifname": "ifb0", "addr_info": []}]
    assert clashes.clashes(own, [{"dst": "default", "dev": "eth0"}, {"dst": "192.0.2.0/24", "dev": "eth0"}]) == []


def test_addresses_of_our_own_link_are_no_clash() -> None:
    assert clashes.clashes([address("mediaimport0", "10.99.0.1", 24)], OURS) == []


def test_vpn_with_the_same_addresses_is_named() -> None:
    own = [address("tun0", "10.99.0.7", 24)]
    assert clashes.clashes(own, []) == [
        "10.99.0.0/24 of the interface tun0 overlaps 10.99.0.0/24 (link to the node)",
    ]


@pytest.mark.parametrize("wider", ["10.96.0.0/12", "10.96.7.0/24", "10.96.0.1"])
def test_route_to_wider_or_narrower_addresses_clashes(wider: str) -> None:
    (first, *_) = [each for each in clashes.clashes([], [{"dst": wider, "dev": "wg0"}]) if "Services" in each]
    assert "of the interface wg0 overlaps 10.96.0.0/16 (Services)" in first


def test_another_clusters_pods_clash() -> None:
    assert clashes.clashes([], [{"dst": "10.244.0.0/16", "dev": "flannel.1"}]) == [
        "10.244.0.0/16 of the interface flannel.1 overlaps 10.244.0.0/24 (pods)"
    ]


def test_default_route_and_the_kernels_own_entries_are_no_clash() -> None:
    routes = [
        {"dst": "0.0.0.0/0", "dev": "wg0"},
        {"type": "broadcast", "dst": "10.99.0.255", "dev": "eth9", "table": "local"},
    ]
    assert clashes.clashes([], routes) == []


def test_route_over_several_hops_and_one_to_nowhere_are_named() -> None:
    routes: list[dict[str, Any]] = [
        {"dst": "10.244.0.0/24", "nexthops": [{"dev": "eth0"}, {"dev": "eth1"}]},
        {"type": "blackhole", "dst": "10.99.0.0/16"},
    ]
    found = clashes.clashes([], routes)
    assert [each.split(" overlaps")[0] for each in found] == [
        "10.244.0.0/24 of the interface eth0",
        "10.244.0.0/24 of the interface eth1",
        "10.99.0.0/16 of the interface (none: blackhole route)",
    ]


def test_check_says_the_interface_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = '[{"dst":"10.96.0.0/12","dev":"cni0"}]'
    (tmp_path / "ip").write_text(f"#!/bin/sh\ncase \"$*\" in *route*) echo '{route}' ;; *) echo '[]' ;; esac\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CannotRunHereError, match=r"10\.96\.0\.0/12 of the interface cni0 .*KUBECONFIG"):
        clashes.check()
