from ipaddress import ip_address, ip_network

import pytest
from mediaimport_api.source_policy import SourcePolicy

POLICY = SourcePolicy()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104 - nothing is bound
        "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.88.99.1",
        "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2001::1",
        "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::127.0.0.1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    refusal = POLICY.address_refusal(ip_address(address))
    assert refusal == f"{ip_address(address)} is not a public address"


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
