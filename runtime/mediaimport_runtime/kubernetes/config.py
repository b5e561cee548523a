"""The way to the API server: KUBECONFIG, the pod's service account, or ~/.kube/config."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_runtime.environment import BadSettingError

if TYPE_CHECKING:
    from types import ModuleType

    from kubernetes.aio.client import Configuration
    from kubernetes.aio.client.rest import RESTClientObject


async def configuration() -> Configuration:
    """Return the way to the API server; BadSettingError when there is none.

    KUBECONFIG if it is set and not empty, else the pod's service account, else ~/.kube/config.
    """
    client, config = _import_aio("client"), _import_aio("config")
    made: Configuration = client.Configuration()
    path = os.environ.get("KUBECONFIG") or None
    try:
        if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=made)
        else:
            # Named here: the library reads the variable when it is imported, empty or not.
            await config.load_kube_config(config_file=path or _default_file(), client_configuration=made)
    except (config.ConfigException, OSError) as error:
        raise BadSettingError(f"KUBECONFIG: {error}") from None
    return made


def _default_file() -> str:
    return str(Path("~/.kube/config").expanduser())


def rest_client(config: Configuration) -> RESTClientObject:
    """Return kubernetes.aio's own HTTP client, which has TLS as the configuration says, and opens no connection yet."""
    made: RESTClientObject = _import_aio("client.rest").RESTClientObject(config)
    return made


def _import_aio(part: str) -> ModuleType:
    """Import a part of kubernetes.aio without what `kubernetes` itself imports: the blocking client, 9 MB of memory."""
    whole = find_spec("kubernetes")
    if whole is not None:
        sys.modules.setdefault("kubernetes", module_from_spec(whole))
    return import_module(f"kubernetes.aio.{part}")
