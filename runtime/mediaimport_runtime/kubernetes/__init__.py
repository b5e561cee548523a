"""The Kubernetes API: one client, one error tree, objects as plain JSON."""
