import pytest

from dev.cluster import machine
from dev.cluster.errors import CannotRunHereError


def test_root_on_linux_may_go_on() -> None:
    machine.check(platform="linux", user_id=0)


@pytest.mark.parametrize(
    ("platform", "user_id", "obstacle"), [("darwin", 0, "this is darwin"), ("linux", 1000, "you are not root")]
)
def test_another_machine_is_refused_in_one_sentence_with_the_way_out(
    platform: str, user_id: int, obstacle: str
) -> None:
    with pytest.raises(CannotRunHereError) as refusal:
        machine.check(platform=platform, user_id=user_id)
    sentence = str(refusal.value)
    assert obstacle in sentence
    assert "kind" in sentence
    assert "KUBECONFIG" in sentence
    assert "\n" not in sentence
