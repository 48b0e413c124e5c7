"""Reading HTML back: every element and attribute of a page, held against the lists of what may be there."""

from __future__ import annotations

from html.parser import HTMLParser

from claude_magic.rendering.sanitizer import STYLE_PROPERTIES, TAGS

VOID = {"br", "hr"}
ATTRIBUTES = {"a": {"href", "style", "rel"}, "ol": {"start", "style"}, "details": {"open", "style"}}


class Page(HTMLParser):
    """What a browser would see: the text, the addresses, and everything that should not be there."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += [f"unclosed {tag}" for tag in self._open]

    @property
    def text(self) -> str:
        return "".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attrs:
            self._attribute(tag, name, value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.wrong.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.wrong.append("processing instruction")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name not in ATTRIBUTES.get(tag, {"style"}):
            self.wrong.append(f"{tag}[{name}]")
        elif name == "href":
            self.links.append(value)
            if not value.lower().startswith(("http://", "https://", "mailto:")):
                self.wrong.append(f"href {value}")
        elif name == "style":
            self._style(value)

    def _style(self, value: str) -> None:
        for declaration in filter(None, value.split(";")):
            if declaration.partition(":")[0].strip() not in STYLE_PROPERTIES:
                self.wrong.append(f"style {declaration}")
        if "url(" in value.lower() or "expression" in value.lower():
            self.wrong.append(f"style {value}")
