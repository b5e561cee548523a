"""A real Kubernetes for development and tests: built and run on a bare machine, or the one that KUBECONFIG names."""

from dev.cluster.exports import environment

__all__ = ["environment"]
