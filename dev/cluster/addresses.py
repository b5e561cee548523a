"""The addresses of the cluster: constants, because there is one cluster on a machine."""

from __future__ import annotations

HOST = "10.99.0.1"
NODE = "10.99.0.2"
LINK_PREFIX = 24
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"

API_SERVER = f"https://{NODE}:6443"
REGISTRY = f"{NODE}:5000"
S3 = f"{NODE}:7070"

NODE_NAME = "mediaimport-node"
HOST_INTERFACE = "mediaimport0"
