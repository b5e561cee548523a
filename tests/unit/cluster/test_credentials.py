from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from dev.cluster import addresses, credentials
from dev.cluster.s3 import S3Keys

if TYPE_CHECKING:
    from dev.cluster.places import Places


@pytest.fixture
def made(places: Places) -> Places:
    places.scratch.mkdir(parents=True)
    credentials.make(places)
    return places


def test_secrets_are_readable_by_their_owner_alone(made: Places) -> None:
    assert made.pki.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in made.pki.iterdir()} == {0o600}


def test_second_time_changes_nothing(made: Places) -> None:
    before = {file.name: file.read_bytes() for file in made.pki.iterdir()}
    credentials.make(made)
    assert {file.name: file.read_bytes() for file in made.pki.iterdir()} == before


def test_kubeconfig_leads_to_the_api_server_as_the_administrator(made: Places) -> None:
    config = json.loads(made.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == addresses.API_SERVER
    pem = base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    assert "O=system:masters" in x509.load_pem_x509_certificate(pem).subject.rfc4514_string()


def test_s3_server_is_trusted_where_its_clients_reach_it(made: Places) -> None:
    certificate = x509.load_pem_x509_certificate((made.pki / "s3.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert addresses.NODE in [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def test_s3_keys_are_random(made: Places) -> None:
    other = type(made)(made.root / "other")
    other.scratch.mkdir(parents=True)
    credentials.make(other)
    assert S3Keys.read(other).secret_access_key != S3Keys.read(made).secret_access_key


def test_s3_secret_is_not_shown() -> None:
    assert "hush" not in repr(S3Keys(access_key_id="id", secret_access_key="hush"))
