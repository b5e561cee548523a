from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from mediaimport_api.source_policy import DENIED_IPV4, DENIED_IPV6, SourcePolicy

CHART_NETWORKS = Path(__file__).resolve().parents[3] / "charts/mediaimport/templates/_networks.tpl"

POLICY = SourcePolicy()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104 - nothing is bound
        "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.88.99.1",
        "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001::1",
        "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::127.0.0.1",
        "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "1000::1", "4000::1", "64:ff9a::1", "fe80::a9fe:a9fe",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    refusal = POLICY.address_refusal(ip_address(address))
    assert refusal == f"{ip_address(address)} is not a public address"


@pytest.mark.parametrize(
    "address",
    ["168.63.129.16", "100.100.100.200", "192.0.0.192", "169.254.169.254", "::ffff:168.63.129.16",
     "64:ff9b::a83f:8110", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fe80::1234:5678:9abc"],
)  # fmt: skip
def test_a_clouds_metadata_or_wire_server_is_refused(address: str) -> None:
    assert POLICY.address_refusal(ip_address(address)) is not None


def test_chart_denies_the_same_networks() -> None:
    """The NetworkPolicy lists what the importer's own check refuses, also behind NAT64's prefix."""
    blocks: dict[Any, list[Any]] = {}
    for found in re.finditer(r"cidr: (\S+)\n    except: (.+)$", CHART_NETWORKS.read_text(), re.MULTILINE):
        blocks[ip_network(found[1])] = [ip_network(each) for each in yaml.safe_load(found[2])]
    ipv4, ipv6, nat64 = ip_network("0.0.0.0/0"), ip_network("2000::/3"), ip_network("64:ff9b::/96")

    assert set(blocks) == {ipv4, ipv6, nat64}
    for outer, denied in blocks.items():
        assert all(each.subnet_of(outer) for each in denied), outer
    assert blocks[ipv4] == list(DENIED_IPV4)
    assert blocks[ipv6] == list(DENIED_IPV6)
    assert blocks[nat64] == [nat64_network(each) for each in DENIED_IPV4]


def nat64_network(network: IPv4Network) -> IPv6Network:
    prefix = int(ip_address("64:ff9b::")) | int(network.network_address)
    return IPv6Network((prefix, 96 + network.prefixlen))


@pytest.mark.parametrize("address", ["8.8.8.8", "104.18.0.1", "2606:4700::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_passes(address: str) -> None:
    assert POLICY.address_refusal(ip_address(address)) is None


def test_an_allowed_network_opens_itself_and_no_more() -> None:
    policy = SourcePolicy(allowed_networks=(ip_network("10.96.0.0/16"),))
    assert policy.address_refusal(ip_address("10.96.1.1")) is None
    assert policy.address_refusal(ip_address("::ffff:10.96.1.1")) is None
    assert policy.address_refusal(ip_address("10.97.0.1")) is not None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("file:///etc/passwd", "its scheme is file"),
        ("//host/x", "its scheme is missing"),
        ("ftp://example.com/x", "its scheme is ftp"),
        ("http://user:secret@example.com/x", "it carries credentials"),
        ("http://user@example.com/x", "it carries credentials"),
        ("http:///x", "it names no host"),
        ("http://example.com:22/x", "port 22 is not allowed"),
        ("http://example.com:99999/x", "not a valid URL"),
        ("http://[::1/x", "not a valid URL"),
        ("http://127.0.0.1/x", "not a public address"),
        ("http://[::1]/x", "not a public address"),
        ("http://169.254.169.254/latest/meta-data", "not a public address"),
        ("http://localhost/x", "not a public name"),
        ("http://LOCALHOST./x", "not a public name"),
        ("http://api.default.svc.cluster.local/x", "not a public name"),
        ("http://metadata.google.internal/x", "not a public name"),
    ],
)
def test_a_bad_url_is_refused_with_what_is_wrong(url: str, sentence: str) -> None:
    refusal = POLICY.url_refusal(url)
    assert refusal is not None
    assert sentence in refusal
    assert "secret" not in refusal


@pytest.mark.parametrize(
    "url", ["https://replicate.delivery/pbxt/x/out.mp4?sig=1", "http://example.com:80/", "HTTPS://Example.COM/a"]
)
def test_an_ordinary_url_passes(url: str) -> None:
    assert POLICY.url_refusal(url) is None
