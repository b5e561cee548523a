"""Where things are kept: all of it outside the checkout, so that a fresh clone finds what another one built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """The folders and files of the one cluster that a machine has."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Places":
        """Return the places below ${XDG_CACHE_HOME:-~/.cache}."""
        base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/root"), ".cache")
        return cls(Path(base).resolve() / "mediaimport")

    @property
    def lock(self) -> Path:
        """Held by the one command that changes the cluster."""
        return self.root / "lock"

    @property
    def scratch(self) -> Path:
        """Half-made things; emptied by whoever takes the lock."""
        return self.root / "scratch"

    @property
    def logs(self) -> Path:
        """What the building programs said."""
        return self.root / "logs"

    @property
    def programs(self) -> Path:
        """One folder for each module and key, with the programs built from it."""
        return self.root / "programs"

    @property
    def bin(self) -> Path:
        """What a person types: kubectl and helm."""
        return self.root / "bin"

    @property
    def media(self) -> Path:
        """Videos to try with."""
        return self.root / "media"

    @property
    def buildah(self) -> Path:
        """The images that buildah keeps, and its settings."""
        return self.root / "buildah"

    @property
    def registry(self) -> Path:
        """The image registry's data."""
        return self.root / "registry"

    @property
    def repositories(self) -> Path:
        """In there, a folder for each image."""
        return self.registry / "docker/registry/v2/repositories"

    @property
    def node(self) -> Path:
        """All that belongs to the running node."""
        return self.root / "node"

    @property
    def pki(self) -> Path:
        """Keys, certificates and kubeconfigs; they outlive the node, so that a shell's KUBECONFIG stays good."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.pki / "admin.kubeconfig"
