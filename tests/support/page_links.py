"""Links of a page of HTML, and what stands within its markup."""

from __future__ import annotations

from html.parser import HTMLParser


class PageLinks(HTMLParser):
    """All that a page refers to, and what stands in its scripts, styles and handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        self.inline += [f"{name}={value}" for name, value in attrs if name == "style" or name.startswith("on")]
        self._in_script = tag in {"script", "style"}

    def handle_endtag(self, _: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)
