from pathlib import Path

from dev.cluster.places import Places


def test_cache_folder_of_the_desktop_standard_is_followed() -> None:
    assert Places.of({"XDG_CACHE_HOME": "/caches", "HOME": "/home/ada"}).root == Path("/caches/mediaimport")


def test_cache_is_in_the_home_folder_where_nothing_else_is_said() -> None:
    assert Places.of({"XDG_CACHE_HOME": "", "HOME": "/home/ada"}).root == Path("/home/ada/.cache/mediaimport")
