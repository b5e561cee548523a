"""Commands of README and docs, pasted as written. A block that cannot run here has the reason above it.

README and the page on the installation are pasted where a newcomer is: in the context's namespace `default`, which no
release watches. Two words of theirs are replaced: see `Documented`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.cluster.kubectl import Kube

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import World

ROOT = Path(__file__).resolve().parents[3]
FENCED = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?"
    r"```sh\n(?P<commands>.*?)```\n"
    # Its output, after prose perhaps, but no heading and no other block.
    r"(?:(?:(?!```|\n#|<!--).)*```text\n(?P<expected>.*?)```)?",
    re.DOTALL,
)
INDENTED_COMMAND = re.compile(r"^    (make|helm|kubectl|docker|curl) ", re.MULTILINE)
PAGES = (
    *("docs/install.md", "docs/operate.md", "docs/configure.md", "docs/security.md", "docs/release.md"),
    *("docs/frontend.md", "docs/runbook.md", "docs/troubleshooting.md", "README.md"),
)
NEWCOMERS = ("README.md", "docs/install.md")
SET_CONTEXT = "kubectl config set-context --current --namespace mediaimport"
CLUSTER_COMMAND = re.compile(r"\b(kubectl|helm) (?!config|package|get --raw)")
FILM = "https://media.w3.org/2010/05/sintel/trailer.mp4"
"""The film of the pages: this cluster has no internet."""
UNRUN = sorted({str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md")} - {*PAGES})
TIMEOUT_S = 240


@dataclass(frozen=True)
class Block:
    """Commands, and texts that their output must contain in any order."""

    commands: str
    expected: tuple[str, ...]
    reason: str | None


def blocks(page: str) -> list[Block]:
    return [
        Block(found["commands"], expected_texts(found["expected"] or ""), found["reason"])
        for found in FENCED.finditer((ROOT / page).read_text())
    ]


def expected_texts(expected: str) -> tuple[str, ...]:
    """Return the words of a single line; of a checklist, whose numbers vary, each line up to its colon."""
    lines = expected.splitlines()
    if len(lines) > 1:
        return tuple(line.partition(":")[0] for line in lines)
    return tuple(lines[0].split()) if lines else ()


@dataclass(frozen=True)
class Documented:
    """Release with the names of the docs, but for its namespace: `make demo` keeps its own in the docs'."""

    shell: dict[str, str]
    namespace: str
    film: str
    """URL of a file that importers reach here."""

    @property
    def to_namespace(self) -> str:
        """Command that changes to the release's namespace."""
        return f"{self.from_docs(SET_CONTEXT)} >/dev/null\n"

    def from_docs(self, commands: str) -> str:
        """Return commands of the docs with this release's namespace, and with a film that is here."""
        return commands.replace("--namespace mediaimport", f"--namespace {self.namespace}").replace(FILM, self.film)


@pytest.fixture(scope="module")
def documented(
    environment: dict[str, str], world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Documented]:
    """The release, and the variables of a shell whose kubectl and helm have a kubeconfig of their own."""
    values = {"crds": {"enabled": False}}
    with world.second_release(environment, "docs", release="mediaimport", values=values) as release:
        file = tmp_path_factory.mktemp("docs") / "kubeconfig"
        file.write_text(release.installation.kube.kubectl("config", "view", "--raw", "--flatten"))
        file.chmod(0o600)
        yield Documented(environment | {"KUBECONFIG": str(file)}, release.namespace, world.file_url())


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_page_have_the_documented_output(page: str, documented: Documented) -> None:
    run = [each for each in blocks(page) if each.reason is None]
    # Jobs of the shell, such as a port-forward, end with it.
    script = "\n".join(
        [
            "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
            prepared(page, documented),
            *(documented.from_docs(numbered(each, number)) for number, each in enumerate(run)),
        ]
    )
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT, env=os.environ | documented.shell, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    outputs = done.stdout.split("=== block ")
    assert done.returncode == 0, f"after block {outputs[-1]}\n{done.stderr}"
    for number, (block, output) in enumerate(zip(run, outputs[1:], strict=True)):
        missing = [each for each in block.expected if each not in output]
        assert missing == [], f"block {number}: {block.commands}\n{output}\n{done.stderr}"


def numbered(block: Block, number: int) -> str:
    return f"echo '=== block {number}'\n{block.commands}"


def prepared(page: str, documented: Documented) -> str:
    """Return the commands that a page assumes to have run."""
    if page in NEWCOMERS:
        # Another page's import of the same name would be ready at once; or unlike the page's, whose spec is immutable.
        gone = "kubectl delete mediaimport first --ignore-not-found >/dev/null\n"
        return f"{documented.to_namespace}{gone}kubectl config set-context --current --namespace default >/dev/null\n"
    match page:
        case "docs/release.md":
            return documented.to_namespace
        case "docs/frontend.md":
            return documented.to_namespace + token_and_url()
    return documented.to_namespace + first_import(documented.film)


def token_and_url() -> str:
    """Return the commands that set the webhook's URL and a token."""
    secret = "kubectl get secret mediaimport-first-token -o jsonpath={.data.token}"
    return (
        f"TOKEN=$({secret} | base64 -d)\nMEDIAIMPORT_URL=http://127.0.0.1:18081\n"
        "kubectl port-forward service/mediaimport-webhook 18081:80 >/dev/null &\n"
        "curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 $MEDIAIMPORT_URL/healthz >/dev/null\n"
    )


def first_import(url: str) -> str:
    """Return the commands that create the import `first` of the docs."""
    head = '"apiVersion": "mediaimport.dev/v1alpha1", "kind": "MediaImport", "metadata": {"name": "first"}'
    manifest = f'{{{head}, "spec": {{"source": {{"url": "{url}"}}}}}}'
    return (
        f"kubectl get mediaimport first >/dev/null 2>&1 || echo '{manifest}' | kubectl apply -f - >/dev/null\n"
        "kubectl wait --for=condition=Ready mediaimport/first --timeout=60s >/dev/null\n"
    )


def test_commands_at_the_end_of_the_notes_work(documented: Documented) -> None:
    kube = Kube(documented.shell)
    notes = kube.helm("get", "notes", "mediaimport", "--namespace", documented.namespace).replace(" --watch", "")
    commands = re.findall(r"^   (\S.*(?:\n     .*)*)", notes, re.MULTILINE)
    assert [each.split()[0] for each in commands] == ["kubectl", *["TOKEN=$(kubectl"], "curl", "kubectl"]
    # The port-forward runs in parallel, and takes a moment to start.
    forward, token, call, watch = commands
    call = call.replace(
        "curl", "curl --silent --fail --write-out '\\n' --retry 20 --retry-connrefused --retry-delay 1", 1
    )
    script = "\n".join(
        ["trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", forward.replace("&", ">/dev/null &"), token, call, watch]
    )
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script.replace("https://example.com/video.mp4", documented.film)],
        env=os.environ | documented.shell, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["import_job_id"] in done.stdout.partition("\n")[2]


@pytest.mark.parametrize("page", PAGES)
def test_page_names_the_namespace_of_its_commands(page: str) -> None:
    """A newcomer's context has the namespace `default`, where a MediaImport has no phase at all."""
    commands = "\n".join(each.commands for each in blocks(page)).replace("\\\n", " ").splitlines()
    bare = [each for each in commands if CLUSTER_COMMAND.search(each) and "--namespace" not in each]
    if page == "README.md" or SET_CONTEXT not in (ROOT / page).read_text():
        assert bare == []


@pytest.mark.parametrize("page", UNRUN)
def test_page_that_is_not_run_has_no_command_without_a_reason(page: str) -> None:
    assert [each.commands for each in blocks(page) if each.reason is None] == []


@pytest.mark.parametrize("page", [*PAGES, *UNRUN])
def test_every_command_is_in_a_block_that_the_test_finds(page: str) -> None:
    text = (ROOT / page).read_text()
    assert INDENTED_COMMAND.findall(text) == []
    assert text.count("```sh") == len(blocks(page))
