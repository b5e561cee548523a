"""The cluster's certificate authorities and what they sign."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Nobody renews them and no clock agrees to the second.
LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for: Kubernetes reads the user from the common name and the group from the organization."""

    common_name: str
    organization: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """Whether it serves under names, or is a client."""
        return bool(self.dns_names or self.addresses)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM."""
        return private_pem(self.key)


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return a private key's public half as PEM."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def service_account_key() -> rsa.RSAPrivateKey:
    """Make the key that signs service accounts' tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def authority(name: str) -> Pair:
    """Make a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(Subject(name))
    builder = (
        _builder(subject=subject, issuer=subject, key=key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(issuer: Pair, subject: Subject) -> Pair:
    """Make a certificate for a server if it has names, for a client if it has none."""
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if subject.is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(subject=_name(subject), issuer=issuer.certificate.subject, key=key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if subject.is_server:
        builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(subject)), critical=False)
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key)


def _builder(*, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(subject: Subject) -> x509.Name:
    organization = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization)] if subject.organization else []
    return x509.Name([*organization, x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)])


def _alternatives(subject: Subject) -> Sequence[x509.GeneralName]:
    addresses = [x509.IPAddress(IPv4Address(address)) for address in subject.addresses]
    return [*(x509.DNSName(name) for name in subject.dns_names), *addresses]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
