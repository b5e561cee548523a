"""`python -m dev.demo`: exits 0 only if everything held; leaves the cluster running."""

from __future__ import annotations

import sys

import httpx

from dev.cluster import environment as cluster_environment
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kube, KubeError
from dev.demo import steps
from dev.demo.output import Telling


def main() -> int:
    """Tell the story; return the exit status."""
    tell = Telling(sys.stdout)
    environment = cluster_environment()
    kube = Kube(environment)
    installation, replicate = steps.set_up(kube, environment, tell)
    with (
        kube.forward(installation.shim, 80, namespace=installation.namespace) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {installation.first_token()}"}) as shim,
    ):
        try:
            shown = steps.generate(shim, tell)
        except steps.StoryError:
            tell.show("How it stands", steps.state(installation))
            raise
    evidence = steps.look(installation, replicate, environment, shown)
    steps.show(installation, evidence, tell)
    if not all(claim.holds for claim in evidence.claims()):
        print("✗ not everything held", file=sys.stderr)
        return 1
    tell.show("Try next", steps.next_commands(installation, shown["import_job_id"]))
    tell.step("all of it held; the cluster keeps running (`make down` ends it)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (steps.StoryError, KubeError, ClusterError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
