"""The API server, as this pod's service account may ask it."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from mediaimport_api import names

from mediaimport_checks.checklist import CheckError

Object = dict[str, Any]

_TRIES = 4
_PAUSE_S = 1.0
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Cluster:
    """The few calls that the checks need."""

    http: httpx.Client

    def deployment(self, namespace: str, name: str) -> Object:
        """Return a Deployment; CheckError."""
        return self._call("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")

    def create_import(self, namespace: str, name: str, spec: Object) -> None:
        """Create a MediaImport; CheckError."""
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "labels": {names.MANAGED_BY: "mediaimport-checks"}},
            "spec": spec,
        }
        # Its name is new: where it is taken, an answer was lost on the way.
        self._call("POST", _imports(namespace), manifest, fine=HTTPStatus.CONFLICT)

    def import_status(self, namespace: str, name: str) -> Object:
        """Return the status of a MediaImport, {} before there is one; CheckError."""
        status: Object = self._call("GET", f"{_imports(namespace)}/{name}").get("status", {})
        return status

    def delete_import(self, namespace: str, name: str) -> None:
        """Delete a MediaImport; it may be gone. CheckError."""
        self._call("DELETE", f"{_imports(namespace)}/{name}", fine=HTTPStatus.NOT_FOUND)

    def _call(self, method: str, path: str, body: Object | None = None, *, fine: HTTPStatus | None = None) -> Object:
        answer = self._send(method, path, body)
        if answer.is_error and answer.status_code != fine:
            raise CheckError(_refusal(answer), "run helm upgrade, which brings roles and the resource definition")
        content: Object = answer.json()
        return content

    def _send(self, method: str, path: str, body: Object | None) -> httpx.Response:
        for tries_left in reversed(range(_TRIES)):
            try:
                return self.http.request(method, path, json=body)
            except httpx.HTTPError as error:
                if not tries_left:
                    raise CheckError(
                        f"the API server does not answer ({type(error).__name__})",
                        "see that the pod may reach it: kubectl get networkpolicies",
                    ) from error
                time.sleep(_PAUSE_S)
        raise AssertionError("the last try answers or raises")


def connect() -> Cluster:
    """Return the cluster that this pod is in."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    token = (_ACCOUNT / "token").read_text()
    return Cluster(
        httpx.Client(
            base_url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            headers={"authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=_ACCOUNT / "ca.crt"),
            timeout=10,
        )
    )


def _imports(namespace: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"


def _refusal(answer: httpx.Response) -> str:
    try:
        message = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = "it said no more"
    return f"the API server answered {answer.status_code}: {message}"
