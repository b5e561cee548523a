"""Client of the API server for health checks; starting kubectl would take longer than the answer."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.cluster import addresses

if TYPE_CHECKING:
    from dev.cluster.cache import Cache

TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Api:
    """The API server, as the administrator."""

    tls: ssl.SSLContext

    @classmethod
    def at(cls, cache: Cache) -> Api:
        """Return a client with the administrator's certificate."""
        tls = ssl.create_default_context(cafile=cache.pki / "ca.crt")
        tls.load_cert_chain(cache.pki / "admin.crt", cache.pki / "admin.key")
        return cls(tls)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body; status 0 if there is no answer."""
        connection = http.client.HTTPSConnection(addresses.NODE, 6443, timeout=TIMEOUT_S, context=self.tls)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def ready(self) -> bool:
        """Tell whether it serves."""
        return self.get("/readyz")[0] == http.HTTPStatus.OK

    def node_ready(self) -> bool:
        """Tell whether the node is Ready."""
        status, body = self.get(f"/api/v1/nodes/{addresses.NODE_NAME}")
        return status == http.HTTPStatus.OK and is_ready(json.loads(body))

    def namespace_ready(self) -> bool:
        """Tell whether the default namespace has its service account and CA bundle."""
        paths = (
            "/api/v1/namespaces/default/serviceaccounts/default",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
        )
        return all(self.get(path)[0] == http.HTTPStatus.OK for path in paths)


def is_ready(node: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether a Node's Ready condition is true."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
