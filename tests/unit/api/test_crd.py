from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.crd import definition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def defaults(node: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        yield from [node["default"]] if "type" in node and "default" in node else []
        for each in node.values():
            yield from defaults(each)


def test_no_default_holds_a_null_which_the_api_server_refuses() -> None:
    found = list(defaults(definition()["spec"]["versions"][0]["schema"]))
    assert {"attempts": 4} in found
    assert not [each for each in found if isinstance(each, dict) and None in each.values()]
