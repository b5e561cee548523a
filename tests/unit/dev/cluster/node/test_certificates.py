from __future__ import annotations

import base64
import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from dev.cluster import addresses
from dev.cluster.node import certificates
from dev.cluster.node.certificates import Pair, Subject
from dev.cluster.node.s3 import S3Keys

if TYPE_CHECKING:
    from dev.cluster.cache import Cache

SERVER = Subject("server", dns_names=("kubernetes.default.svc",), addresses=("10.99.0.2",))
CLIENT = Subject("system:node:one", organization="system:nodes")


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificates.authority("the authority")


def test_server_is_trusted_under_its_names_and_addresses(authority: Pair) -> None:
    leaf = certificates.issue(authority, SERVER).certificate
    trust = PolicyBuilder().store(Store([authority.certificate]))
    for name in (x509.DNSName("kubernetes.default.svc"), x509.IPAddress(IPv4Address("10.99.0.2"))):
        assert trust.build_server_verifier(name).verify(leaf, []) == [leaf, authority.certificate]


def test_server_of_another_authority_is_not_trusted(authority: Pair) -> None:
    stranger = certificates.issue(certificates.authority("the authority"), SERVER).certificate
    with pytest.raises(InvalidSignature):
        stranger.verify_directly_issued_by(authority.certificate)


def test_client_carries_the_user_and_the_group_that_kubernetes_reads(authority: Pair) -> None:
    subject = certificates.issue(authority, CLIENT).certificate.subject
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:one"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]


@pytest.mark.parametrize(
    ("subject", "purpose"), [(SERVER, ExtendedKeyUsageOID.SERVER_AUTH), (CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH)]
)
def test_certificate_is_good_for_one_purpose(authority: Pair, subject: Subject, purpose: x509.ObjectIdentifier) -> None:
    usage = certificates.issue(authority, subject).certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [purpose]


def test_only_the_authority_may_sign_certificates(authority: Pair) -> None:
    def may_sign(pair: Pair) -> bool:
        extensions = pair.certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        return usage.key_cert_sign and extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    assert may_sign(authority)
    assert not may_sign(certificates.issue(authority, SERVER))


def test_key_is_not_shown(authority: Pair) -> None:
    assert "key" not in repr(authority)


@pytest.fixture
def filled(cache: Cache) -> Cache:
    cache.scratch.mkdir(parents=True)
    certificates.make(cache)
    return cache


def test_secrets_are_readable_by_their_owner_alone(filled: Cache) -> None:
    assert filled.pki.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in filled.pki.iterdir()} == {0o600}


def test_second_time_changes_nothing(filled: Cache) -> None:
    before = {file.name: file.read_bytes() for file in filled.pki.iterdir()}
    certificates.make(filled)
    assert {file.name: file.read_bytes() for file in filled.pki.iterdir()} == before


def test_kubeconfig_leads_to_the_api_server_as_the_administrator(filled: Cache) -> None:
    config = json.loads(filled.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == addresses.API_SERVER
    pem = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    assert "O=system:masters" in x509.load_pem_x509_certificate(pem).subject.rfc4514_string()


def test_s3_server_is_trusted_where_its_clients_reach_it(filled: Cache) -> None:
    certificate = x509.load_pem_x509_certificate((filled.pki / "s3.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert addresses.NODE in [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def test_s3_keys_are_random(filled: Cache) -> None:
    other = type(filled)(filled.root / "other")
    other.scratch.mkdir(parents=True)
    certificates.make(other)
    assert S3Keys.read(other).secret_access_key != S3Keys.read(filled).secret_access_key


def test_s3_secret_is_not_shown() -> None:
    assert "hush" not in repr(S3Keys(access_key_id="id", secret_access_key="hush"))
