"""Another S3 server beside the node's own, with keys of its own: for two releases with two stores."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from dev.cluster import addresses, faults, programs
from dev.cluster.exports import is_foreign
from dev.cluster.places import Places
from dev.cluster.processes import Process, plan

# One of many: several runs may each have their own.
_PORTS = range(17000, 18000)
_KEYS = {"S3_ACCESS_KEY_ID": "second", "S3_SECRET_ACCESS_KEY": "second-secret"}


@contextmanager
def second_store(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run it for as long as the block does; yield the S3_… variables. A cluster of others' has no second one: its own.

    The bucket is the caller's to make.
    """
    places = Places.of(os.environ)
    own = {name: value for name, value in environment.items() if name.startswith("S3_")}
    if is_foreign(os.environ, places):
        yield own
        return
    address = f"{addresses.NODE}:{secrets.choice(_PORTS)}"
    with (
        tempfile.TemporaryDirectory(prefix="s3-", dir=places.node) as folder,
        faults.beside(_process(places, address=address, folder=folder)),
    ):
        yield own | _KEYS | {"S3_ENDPOINT_URL": f"https://{address}"}


def _process(places: Places, *, address: str, folder: str) -> Process:
    first = plan(places, programs.homes(places)).process("versitygw")
    if first is None:
        raise LookupError("the node has no S3 server")
    *options, _ = (address if each == addresses.S3 else each for each in first.argv)
    keys = (("ROOT_ACCESS_KEY", _KEYS["S3_ACCESS_KEY_ID"]), ("ROOT_SECRET_KEY", _KEYS["S3_SECRET_ACCESS_KEY"]))
    return replace(first, name=f"versitygw-{address}", argv=(*options, folder), environ=keys)
