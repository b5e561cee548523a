"""Errors of the cluster; each message says what happened, to what, and what to do."""

from __future__ import annotations


class ClusterError(Exception):
    """Base of all errors that a command prints."""


class CannotRunHereError(ClusterError):
    """Machine that cannot run the cluster; KUBECONFIG can name another cluster."""


class CommandFailedError(ClusterError):
    """Program that failed; the message has the end of its output."""


class NotReadyError(ClusterError):
    """Timeout of something that was started."""


class StoppedError(ClusterError):
    """Start of the node that was given up because the command ends."""
