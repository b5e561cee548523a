"""Kubernetes for development and tests: built and run on a bare machine, or the one that KUBECONFIG names.

A tool of its own, documented in docs/development-cluster.md: it imports no package of this project.
"""

from __future__ import annotations

from dev.cluster.exports import environment

__all__ = ["environment"]
