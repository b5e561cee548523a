from dev.cluster.debian import missing

QUERY = """\
runc installed
buildah config-files
containerd half-installed
"""


def test_only_what_is_wholly_installed_is_not_missing() -> None:
    assert missing(["runc", "buildah", "containerd", "nftables"], query=QUERY) == ["buildah", "containerd", "nftables"]


def test_nothing_is_missing_where_all_is_installed() -> None:
    assert missing(["runc"], query=QUERY) == []
