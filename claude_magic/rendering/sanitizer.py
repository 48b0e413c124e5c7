"""The second wall: nh3 with a short list of tags, attributes, addresses and style properties."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# fmt: off
TAGS = frozenset({
    "a", "b", "blockquote", "br", "code", "del", "details", "div", "em", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol",
    "ins", "p", "pre", "s", "span", "strong", "sub", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
})
ATTRIBUTES = {"*": {"style"}, "a": {"href"}, "ol": {"start"}, "details": {"open"}}
URL_SCHEMES = frozenset({"http", "https", "mailto"})
# None of these can fetch anything, take an element out of the flow, or hide it: no `background`, `position`,
# `display`, `opacity`, and no shorthand that takes an address.
STYLE_PROPERTIES = frozenset({
    "background-color", "border", "border-bottom", "border-collapse", "border-left", "border-radius", "border-top",
    "color", "cursor", "font-family", "font-size", "font-style", "font-weight", "line-height", "list-style-type",
    "margin", "max-width", "overflow-wrap", "overflow-x", "padding", "text-align", "text-decoration", "vertical-align",
    "white-space",
})
# fmt: on
_ODD_LINK = re.compile(r'(<a )href="(?!(?:https?://|mailto:))[^"]*" ?', re.IGNORECASE)


@cache
def _cleaner() -> Any:
    import nh3

    return nh3.Cleaner(
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        clean_content_tags={"script", "style"},
        url_schemes=set(URL_SCHEMES),
        filter_style_properties=set(STYLE_PROPERTIES),
    )


def clean(html: str) -> str:
    """Return `html` with nothing in it but what is on the lists above, every tag closed."""
    # A relative address would point into the page that shows the notebook: nh3 lets it pass, we do not.
    return _ODD_LINK.sub(r"\1", str(_cleaner().clean(html)))
