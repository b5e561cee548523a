"""buildah with its own images and settings, apart from any other on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from dev.cluster.commands import output, run_enclosed
from dev.cluster.errors import CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.cache import Cache

SETTINGS = Path(__file__).parent / "settings"
MACHINE_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Buildah:
    """Runs buildah's commands with their output in one log."""

    env: Mapping[str, str]
    policy: Path
    log: Path

    @classmethod
    def at(cls, cache: Cache) -> Buildah:
        """Write the settings; return a runner that uses them."""
        cache.buildah.mkdir(parents=True, exist_ok=True)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        folders = {"graphroot": cache.buildah / "images", "runroot": cache.buildah / f"run-{boot}"}
        for name in ("storage.conf", "registries.conf", "policy.json"):
            settings = Template((SETTINGS / "buildah" / name).read_text()).substitute(folders)
            (cache.buildah / name).write_text(settings)
        env = {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(cache.buildah / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(cache.buildah / "registries.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(cache.scratch),
        }
        return cls(env=env, policy=cache.buildah / "policy.json", log=cache.logs / "buildah.log")

    def run(self, command: str, *arguments: str | Path) -> None:
        """Run one of buildah's commands."""
        run_enclosed(("buildah", command, *arguments), env=self.env, log=self.log)

    def script(self, script: str, *arguments: str) -> None:
        """Run a shell script that calls buildah; its mounts end with it."""
        run_enclosed(("sh", "-c", script, "sh", *arguments), env=self.env, log=self.log)

    def clean(self) -> None:
        """Remove working containers of a killed build."""
        self.run("rm", "--all")

    def has(self, image: str) -> bool:
        """Tell whether an image is stored."""
        try:
            output(("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}", image), env=self.env)
        except CommandFailedError:
            return False
        return True

    def names(self) -> list[str]:
        """Return the names of all stored images."""
        listed = json.loads(output(("buildah", "images", "--json"), env=self.env) or "[]")
        return [name for image in listed or [] for name in image.get("names") or []]

    def import_tar(self, tar: Path, image: str, *options: str) -> None:
        """Store a root file system, from a tar or a single file, as an image."""
        container = output(("buildah", "from", "scratch"), env=self.env)
        self.run("add", container, tar, "/")
        if options:
            self.run("config", *options, container)
        self.run("commit", "--rm", "--quiet", container, image)

    def tag(self, image: str, name: str) -> None:
        """Add a name to an image; another image that had the name loses it."""
        self.run("tag", image, name)

    def build(  # noqa: PLR0913 - as many as the command has
        self,
        context: Path,
        *,
        dockerfile: Path,
        target: str,
        image: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
    ) -> None:
        """Build one target of a Dockerfile from local images."""
        bundle = MACHINE_CA_BUNDLE
        # A mount, not a copy: the certificate authority of this machine's proxy must not be in the image.
        trust = ["--volume", f"{bundle}:{bundle}:ro"] if bundle.exists() else []
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--label={name}={value}" for name, value in labels.items()]
        self.run(
            "build",
            *("--layers", "--pull-never", "--isolation", "chroot", *trust, *options),
            *("--file", dockerfile, "--target", target, "--tag", image, context),
        )

    def push(self, image: str, destination: str) -> None:
        """Push to the node's registry, which speaks plain HTTP."""
        self.run(
            "push", "--quiet", "--tls-verify=false", "--signature-policy", self.policy, image, f"docker://{destination}"
        )
