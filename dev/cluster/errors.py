"""What can keep the cluster from coming up."""


class ClusterError(Exception):
    """Something a person has to read; the message says what happened, to what, and what to do."""


class CannotRunHereError(ClusterError):
    """This machine cannot run the cluster; another one can be named with KUBECONFIG."""


class CommandFailedError(ClusterError):
    """A program ended badly; the message carries the end of what it said."""


class NotReadyError(ClusterError):
    """Something was started and did not become ready in time."""
