"""The reconcile loop: a work queue of keys, workers, and gather → plan → apply with its I/O."""
