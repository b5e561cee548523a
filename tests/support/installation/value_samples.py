"""Sample of every leaf of the chart's values: a value of its own, and the text by which a manifest shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Schema = dict[str, Any]
Path = tuple[str, ...]
_FIRST_NUMBER = 30_000
"""It is valid as a port, a duration, a uid and a count."""


@dataclass(frozen=True)
class Leaf:
    """Property of the schema without properties of its own. `choices`: of a boolean or an enum."""

    path: Path
    number: int
    schema: Schema
    choices: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        """Path as documented."""
        return ".".join(self.path)

    @property
    def text(self) -> str:
        """Text that no other leaf's sample has."""
        return f"sample-{self.number:03}"

    def sample(self) -> tuple[object, str]:
        """Return a value, and a text that it leaves in a manifest."""
        reference = self.schema.get("$ref", "").rpartition("/")[2]
        for made in (_BY_PATH.get(self.name), _BY_DEFINITION.get(reference)):
            if made is not None:
                return made(self.text, _FIRST_NUMBER + self.number)
        kind = _resolved(self.schema).get("type")
        if kind == "array":
            return [self.text], self.text
        if kind in ("integer", "number"):
            return _FIRST_NUMBER + self.number, str(_FIRST_NUMBER + self.number)
        return self.text, self.text


def _text(form: str) -> Callable[[str, int], tuple[object, str]]:
    """Return a maker of texts such as `https://{text}.example.com`."""

    def make(text: str, number: int) -> tuple[object, str]:
        made = form.format(text=text, number=number)
        return made, made

    return make


def _holding(build: Callable[[str], object]) -> Callable[[str, int], tuple[object, str]]:
    """Return a maker of values that hold the text somewhere."""
    return lambda text, _: (build(text), text)


def _network(_: str, number: int) -> tuple[object, str]:
    network = f"10.{number // 256}.{number % 256}.0/24"
    return [network], network


def _number(_: str, number: int) -> tuple[object, str]:
    return number, str(number)


def _spread(text: str) -> object:
    return [{"maxSkew": 1, "topologyKey": text, "whenUnsatisfiable": "DoNotSchedule"}]


_BY_DEFINITION: dict[str, Callable[[str, int], tuple[object, str]]] = {
    "url": _text("https://{text}.example.com"),
    "quantity": _text("{number}Mi"),
    "quantities": lambda _, number: ({"memory": f"{number}Mi"}, f"{number}Mi"),
    "cidrs": _network,
    "ports": lambda _, number: ([number], str(number)),
    "port": _number,
    "uid": _number,
    "seconds": _number,
    "strings": _holding(lambda text: {text: "x"}),
    "objects": _holding(lambda text: [{text: "x"}]),
    "affinity": _holding(lambda text: {"nodeAffinity": {text: "x"}}),
    "tolerations": _holding(lambda text: [{"key": text}]),
    "topologySpread": _holding(_spread),
    "env": _holding(lambda text: [{"name": "SAMPLE", "value": text}]),
    "envFrom": _holding(lambda text: [{"prefix": text}]),
    "volumes": _holding(lambda text: [{"name": text}]),
    "volumeMounts": _holding(lambda text: [{"name": text, "mountPath": "/sample"}]),
}
_BY_PATH: dict[str, Callable[[str, int], tuple[object, str]]] = {
    "image.digest": _text("sha256:{number:064}"),
    "proberImage.digest": _text("sha256:{number:064}"),
    "image.repository": _text("{text}.example.com/image"),
    "proberImage.repository": _text("{text}.example.com/image"),
    "global.imageRegistry": _text("{text}.example.com"),
    "imagePullSecrets": _holding(lambda text: [{"name": text}]),
    # The webhook works in the release's own namespace.
    "watchNamespaces": _holding(lambda text: ["default", text]),
    "s3.sessionRole": _text("arn:aws:iam::1:role/{text}"),
    "s3.identityAddress": lambda _, number: (f"10.0.{number // 256}.{number % 256}",) * 2,
    "s3.caBundle": _text("-----BEGIN CERTIFICATE----- {text}"),
    "catalogue.urlSecretRef.key": _text("{text}"),
    "catalogue.rebuild.processes": lambda *_: (61, 'value: "61"'),
    "events.endpoints": _holding(
        lambda text: [{"name": text, "url": "https://a.example.com/", "secret": {"name": "keys", "key": "key"}}]
    ),
    "replicate.webhookSecrets": lambda _, number: ([f"whsec_{number}"], f"whsec_{number}"),
    "replicate.models": _holding(lambda text: {text: {"model": "a/b"}}),
    "auth.tokens": _holding(lambda text: [{"token": text, "user": "alice"}]),
    "podSecurityContext": _holding(lambda text: {text: "x"}),
    "securityContext": _holding(lambda text: {text: "x"}),
    "hostAliases": _holding(lambda text: [{"ip": "10.0.0.1", "hostnames": [text]}]),
    "extraObjects": _holding(lambda text: [{"kind": text}]),
    "webhook.ingress.paths": _holding(lambda text: [{"path": f"/{text}"}]),
    "monitoring.rules.thresholds.failurePercent": lambda *_: (77, "> 0.77"),
    "monitoring.rules.thresholds.webhookErrorPercent": lambda *_: (78, "> 0.78"),
    "webhook.corsOrigins": _holding(lambda text: [f"https://{text}"]),
    "webhook.trustedProxies": _network,
    "webhook.podDisruptionBudget.maxUnavailable": _number,
    **{
        f"monitoring.{kind}.{key}": _text("{number}s")
        for kind in ("serviceMonitor", "podMonitor")
        for key in ("interval", "scrapeTimeout")
    },
}


def leaves() -> list[Leaf]:
    """Return all leaves, in order."""
    return [Leaf(path, number, schema, _choices(schema)) for number, (path, schema) in enumerate(_walk(_schema(), ()))]


@cache
def _schema() -> Schema:
    found: Schema = json.loads((CHART / "values.schema.json").read_text())
    return found


def _resolved(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    found: Schema = _schema()["$defs"][reference.rpartition("/")[2]] if reference else schema
    return found


def _walk(schema: Schema, path: Path) -> Iterator[tuple[Path, Schema]]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    properties = {} if reference in _BY_DEFINITION else _resolved(schema).get("properties", {})
    if not properties:
        yield path, schema
    for key, child in properties.items():
        if not _resolved(child).get("deprecated"):
            yield from _walk(child, (*path, key))


def _choices(schema: Schema) -> tuple[object, ...]:
    resolved = _resolved(schema)
    return (True, False) if resolved.get("type") == "boolean" else tuple(resolved.get("enum", ()))
