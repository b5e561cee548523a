"""The node: a tree of processes in namespaces and control groups of its own."""
