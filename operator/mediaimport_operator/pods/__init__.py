"""Manifests of the Jobs and pods that the operator creates. No I/O."""
