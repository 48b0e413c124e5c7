"""Fails where a page of the built site leads to a page, a picture or a heading that is not there.

python docs/check_links.py output/docs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page leads to, and what it can be led to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the ids of an element."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


@cache
def read(path: Path) -> Page:
    """Return what stands in a page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead_links(site: Path) -> Iterator[str]:
    """Yield a line for each link within the site that leads nowhere."""
    for path in sorted(path for path in site.rglob("*.html") if "_static" not in path.parts):
        for target in sorted(set(read(path).targets)):
            address = urlsplit(target)
            if address.scheme or address.netloc:
                continue
            other = (path.parent / unquote(address.path)).resolve() if address.path else path
            if not other.exists():
                yield f"{path.relative_to(site)}: {target} is not there"
            elif address.fragment and other.suffix == ".html" and unquote(address.fragment) not in read(other).anchors:
                yield f"{path.relative_to(site)}: {target} has no such heading"


if __name__ == "__main__":
    lines = list(dead_links(Path(sys.argv[1]).resolve()))
    print(*lines, sep="\n", end="\n" if lines else "")
    sys.exit(bool(lines))
