"""`python -m dev.demo`: exit 0 only if every claim holds; the cluster keeps running."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx

from dev.cluster import environment as cluster_environment
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kube, KubeError
from dev.demo import steps
from dev.demo.output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.installation.helm import Values


def main(
    environment: Mapping[str, str],
    *,
    values: Values | None = None,
    shell: str = 'eval "$(make -s env)"',
    ends: str = "make down",
) -> int:
    """Run the demo; return the exit status. `shell` points a shell at the cluster, `ends` ends it."""
    output = Output(sys.stdout)
    kube = Kube(environment)
    around = steps.set_up(kube, environment, output, values=values)
    installation = around.installation
    with (
        kube.forward(installation.webhook, 80, namespace=installation.namespace) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {installation.first_token()}"}) as webhook,
    ):
        try:
            shown = steps.generate(webhook, output)
        except steps.DemoError:
            output.show("State of the namespace", steps.state(installation))
            raise
    evidence = steps.inspect(around, environment, shown)
    steps.show(around, evidence, output)
    if not all(claim.holds for claim in evidence.claims()):
        print("✗ a claim does not hold", file=sys.stderr)
        return 1
    output.show("Try next", steps.next_commands(around, shown["import_job_id"], shell=shell))
    output.step(f"every claim holds; the cluster keeps running (`{ends}` ends it)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(cluster_environment()))
    except (steps.DemoError, KubeError, ClusterError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
