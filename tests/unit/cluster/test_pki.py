from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from dev.cluster import pki
from dev.cluster.pki import Pair, Subject

SERVER = Subject("server", dns_names=("kubernetes.default.svc",), addresses=("10.99.0.2",))
CLIENT = Subject("system:node:one", organization="system:nodes")


@pytest.fixture(scope="module")
def authority() -> Pair:
    return pki.authority("the authority")


def test_server_is_trusted_under_its_names_and_addresses(authority: Pair) -> None:
    leaf = pki.issue(authority, SERVER).certificate
    trust = PolicyBuilder().store(Store([authority.certificate]))
    for name in (x509.DNSName("kubernetes.default.svc"), x509.IPAddress(IPv4Address("10.99.0.2"))):
        assert trust.build_server_verifier(name).verify(leaf, []) == [leaf, authority.certificate]


def test_server_of_another_authority_is_not_trusted(authority: Pair) -> None:
    stranger = pki.issue(pki.authority("the authority"), SERVER).certificate
    with pytest.raises(InvalidSignature):
        stranger.verify_directly_issued_by(authority.certificate)


def test_client_carries_the_user_and_the_group_that_kubernetes_reads(authority: Pair) -> None:
    subject = pki.issue(authority, CLIENT).certificate.subject
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:one"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]


@pytest.mark.parametrize(
    ("subject", "purpose"), [(SERVER, ExtendedKeyUsageOID.SERVER_AUTH), (CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH)]
)
def test_certificate_is_good_for_one_purpose(authority: Pair, subject: Subject, purpose: x509.ObjectIdentifier) -> None:
    usage = pki.issue(authority, subject).certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [purpose]


def test_only_the_authority_may_sign_certificates(authority: Pair) -> None:
    def may_sign(pair: Pair) -> bool:
        extensions = pair.certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        return usage.key_cert_sign and extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    assert may_sign(authority)
    assert not may_sign(pki.issue(authority, SERVER))


def test_key_is_not_shown(authority: Pair) -> None:
    assert "key" not in repr(authority)
