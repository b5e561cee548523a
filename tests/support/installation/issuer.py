"""OpenID Connect issuer and fal.ai's key server: private keys in this process, published documents in a pod."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm

from tests.support.workload import PORT, readiness, serving, workload

if TYPE_CHECKING:
    from dev.cluster.kubectl import Kube, Object

NAME = "issuer"
AUDIENCE = "mediaimport-e2e"
ADMINS = "media-admins"
FAL_USER = "e2e"


@dataclass(frozen=True)
class Issuer:
    """Issuer whose published keys can change while the webhook runs."""

    kube: Kube
    namespace: str
    keys: dict[str, EllipticCurvePrivateKey] = field(default_factory=dict)
    fal_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def url(self) -> str:
        """Return the URL inside the cluster."""
        return f"http://{NAME}.{self.namespace}.svc"

    @property
    def values(self) -> dict[str, Any]:
        """Return the chart's values for it."""
        return {
            "auth": {"oidc": {"issuer": self.url, "audience": AUDIENCE, "adminGroup": ADMINS}},
            "fal": {"userId": FAL_USER},
            "webhook": {"extraEnv": [{"name": "FAL_JWKS_URL", "value": f"{self.url}/fal.json"}]},
        }

    def token(self, user: str, *, key: str = "first", groups: tuple[str, ...] = (), **claims: object) -> str:
        """Return a token for five minutes, signed with the key of that name, published or not."""
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": user, "groups": groups, "exp": int(time.time()) + 300}
        return jwt.encode(usual | claims, self._key(key), algorithm="ES256", headers={"kid": key})

    def publish(self, *names: str) -> None:
        """Publish these keys and no others."""
        keys = [ECAlgorithm.to_jwk(self._key(each).public_key(), as_dict=True) | {"kid": each} for each in names]
        self._write("jwks.json", {"keys": keys})

    def start(self, image: str) -> None:
        """Run the pod, and publish."""
        self.kube.apply(workload(NAME, self.namespace, _pod(image)))
        self.kube.wait_for_rollout(NAME, namespace=self.namespace)
        self._write(".well-known/openid-configuration", {"issuer": self.url, "jwks_uri": f"{self.url}/jwks.json"})
        public = base64.urlsafe_b64encode(self.fal_key.public_key().public_bytes_raw()).decode().rstrip("=")
        self._write("fal.json", {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public}]})
        self.publish("first")

    def _key(self, name: str) -> EllipticCurvePrivateKey:
        return self.keys.setdefault(name, generate_private_key(SECP256R1()))

    def _write(self, path: str, content: object) -> None:
        command = f"mkdir -p /srv/.well-known && cat > /srv/{path}"
        target = ("exec", "-i", f"deployment/{NAME}", "--", "sh", "-c", command)
        self.kube.kubectl(*target, namespace=self.namespace, given=json.dumps(content))


def _pod(image: str) -> Object:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python", "-m", "http.server", str(PORT), "--directory", "/srv"],
        "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
        "readinessProbe": readiness({"tcpSocket": {"port": "http"}}),
    }
    return serving(container, volumes=[{"name": "srv", "emptyDir": {}}], grace_s=1)
