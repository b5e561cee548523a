"""`python -m dev.demo`: exit 0 only if every claim holds; the cluster keeps running."""

from __future__ import annotations

import sys

import httpx

from dev.cluster import environment as cluster_environment
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kube, KubeError
from dev.demo import steps
from dev.demo.output import Output


def main() -> int:
    """Run the demo; return the exit status."""
    output = Output(sys.stdout)
    environment = cluster_environment()
    kube = Kube(environment)
    installation, replicate = steps.set_up(kube, environment, output)
    with (
        kube.forward(installation.webhook, 80, namespace=installation.namespace) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {installation.first_token()}"}) as webhook,
    ):
        try:
            shown = steps.generate(webhook, output)
        except steps.DemoError:
            output.show("State of the namespace", steps.state(installation))
            raise
    evidence = steps.inspect(installation, replicate, environment, shown)
    steps.show(installation, evidence, output)
    if not all(claim.holds for claim in evidence.claims()):
        print("✗ a claim does not hold", file=sys.stderr)
        return 1
    output.show("Try next", steps.next_commands(installation, shown["import_job_id"]))
    output.step("every claim holds; the cluster keeps running (`make down` ends it)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (steps.DemoError, KubeError, ClusterError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
