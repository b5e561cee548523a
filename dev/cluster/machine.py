"""Whether this machine can run the cluster."""

from dev.cluster.errors import CannotRunHereError


def check(*, platform: str, user_id: int) -> None:
    """Raise, with the way out, unless this is Linux and we are root."""
    if platform != "linux":
        obstacle = f"this is {platform}"
    elif user_id != 0:
        obstacle = "you are not root"
    else:
        return
    raise CannotRunHereError(
        f"The cluster needs Linux and root, and {obstacle}: "
        "start kind, k3d or any other cluster and set KUBECONFIG to it."
    )
