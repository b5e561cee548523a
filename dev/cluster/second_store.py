"""Another S3 server beside the node's own, with keys of its own: for two releases with two stores."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from dev.cluster import addresses, faults, programs
from dev.cluster.exports import is_foreign
from dev.cluster.places import Places
from dev.cluster.processes import Process, plan

_ADDRESS = f"{addresses.NODE}:7071"
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
    with faults.beside(_process(places)):
        yield own | _KEYS | {"S3_ENDPOINT_URL": f"https://{_ADDRESS}"}


def _process(places: Places) -> Process:
    first = plan(places, programs.homes(places)).process("versitygw")
    if first is None:
        raise LookupError("the node has no S3 server")
    folder = places.node / "s3-second"
    folder.mkdir(parents=True, exist_ok=True)
    *options, _ = (_ADDRESS if each == addresses.S3 else each for each in first.argv)
    keys = (("ROOT_ACCESS_KEY", _KEYS["S3_ACCESS_KEY_ID"]), ("ROOT_SECRET_KEY", _KEYS["S3_SECRET_ACCESS_KEY"]))
    return replace(first, name="versitygw-second", argv=(*options, str(folder)), environ=keys)
