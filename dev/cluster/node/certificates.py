"""Certificates, keys and kubeconfigs of the cluster, signed by its own certificate authorities."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dev.cluster import addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dev.cluster.cache import Cache

# Nothing renews them, and clocks differ by seconds.
LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Subject:
    """Holder of a certificate; Kubernetes reads user and group from the common name and the organization."""

    common_name: str
    organization: str = ""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """Tell a server, which has names, from a client."""
        return bool(self.dns_names or self.addresses)


_SERVERS = {
    "apiserver": Subject(
        "kube-apiserver",
        dns_names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ),
        addresses=("127.0.0.1", addresses.API_SERVICE, addresses.NODE),
    ),
    "kubelet-server": Subject(
        addresses.NODE_NAME, dns_names=(addresses.NODE_NAME,), addresses=(addresses.NODE, "127.0.0.1")
    ),
    "s3": Subject("s3", dns_names=("localhost",), addresses=(addresses.NODE, "127.0.0.1")),
}
_CLIENTS = {"apiserver-kubelet": Subject("kube-apiserver-kubelet-client", organization="system:masters")}
# Clients of the API server, each with a kubeconfig.
_USERS = {
    "admin": Subject("mediaimport-admin", organization="system:masters"),
    "controller-manager": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    "kubelet": Subject(f"system:node:{addresses.NODE_NAME}", organization="system:nodes"),
    "proxy": Subject("system:kube-proxy"),
}


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


def make(cache: Cache) -> None:
    """Write all files once; they stay the same from one node to the next."""
    if cache.pki.exists():
        return
    unfinished = cache.scratch / "pki"
    unfinished.mkdir(parents=True, mode=0o700)
    for name, content in _files().items():
        with open(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:  # noqa: PTH123 - private from the start
            file.write(content)
    unfinished.rename(cache.pki)


def kubeconfig(user: str, pair: Pair, authority: Pair) -> bytes:
    """Return a kubeconfig (JSON is YAML) that carries its certificates."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "mediaimport",
            "contexts": [{"name": "mediaimport", "context": {"cluster": "mediaimport", "user": user}}],
            "clusters": [
                {
                    "name": "mediaimport",
                    "cluster": {
                        "server": addresses.API_SERVER,
                        "certificate-authority-data": _base64(authority.certificate_pem),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _base64(pair.certificate_pem),
                        "client-key-data": _base64(pair.key_pem),
                    },
                }
            ],
        },
        indent=1,
    ).encode()


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
    hosts = [x509.IPAddress(IPv4Address(address)) for address in subject.addresses]
    return [*(x509.DNSName(name) for name in subject.dns_names), *hosts]


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


def _files() -> dict[str, bytes]:
    cluster, front = authority("mediaimport-ca"), authority("mediaimport-front-proxy-ca")
    users = {name: issue(cluster, subject) for name, subject in _USERS.items()}
    pairs = {
        "ca": cluster,
        "front-ca": front,
        "front-client": issue(front, Subject("front-proxy-client")),
        **{name: issue(cluster, subject) for name, subject in (_SERVERS | _CLIENTS).items()},
        "admin": users["admin"],
    }
    files = {f"{name}.crt": pair.certificate_pem for name, pair in pairs.items()}
    files |= {f"{name}.key": pair.key_pem for name, pair in pairs.items()}
    files |= {f"{name}.kubeconfig": kubeconfig(name, pair, cluster) for name, pair in users.items()}
    return files | _service_account_files() | _s3_files()


def _service_account_files() -> dict[str, bytes]:
    key = service_account_key()
    return {"service-accounts.key": private_pem(key), "service-accounts.pub": public_pem(key)}


def _s3_files() -> dict[str, bytes]:
    keys = {"access_key_id": secrets.token_hex(10), "secret_access_key": secrets.token_urlsafe(30)}
    return {"s3-keys.json": json.dumps(keys).encode()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
