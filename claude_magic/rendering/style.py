"""Inline styles, and the one way to escape a text. They adapt to light and dark by mixing into the page's own colour.

GitHub drops every style; the structure under them has to read well alone. JupyterLab drops from untrusted
notebooks what it cannot parse, such as `var()` and `color-mix()`: these only ever change a colour.
"""

from __future__ import annotations

import html
import re

from claude_magic.rendering.text import visible

MONO = "font-family:var(--jp-code-font-family, ui-monospace, Menlo, Consolas, monospace);font-size:12.5px"
LINE = "1px solid rgba(128, 128, 128, 0.3)"
SURFACE = "background-color:rgba(128, 128, 128, 0.1)"
MUTED = "color:var(--jp-ui-font-color2, inherit)"

# Hues that are mixed into the text colour, and how much of the text colour stays, in percent. A fixed colour cannot
# have a contrast of 4.5 on both #fff and #111 (4.35 is the most there is); a mixture has, as the tests compute.
HUES = {
    "keyword": ("#8a2be2", 50),
    "string": ("#008a3c", 45),
    "number": ("#c26a00", 45),
    "name": ("#0a6ed1", 45),
    "comment": ("#808080", 50),
    "good": ("#1f9d40", 40),
    "warn": ("#c77700", 40),
    "bad": ("#e02020", 40),
}


def tone(name: str) -> str:
    """Return the style of a text in one of the `HUES`."""
    hue, share = HUES[name]
    return f"color:color-mix(in srgb, currentColor {share}%, {hue})"


BAR = {"run": "#c96442", "warn": "#b26a00", "bad": "#d03030"}
INSERTED = "background-color:rgba(46, 160, 67, 0.16)"
DELETED = "background-color:rgba(230, 70, 70, 0.16)"


def run(bar: str) -> str:
    """Return the style of the box around a run: one thin line at its side."""
    return (
        f"border-left:2px solid {BAR[bar]};padding:2px 0 2px 14px;margin:2px 0;color:inherit;"
        "line-height:1.55;overflow-wrap:anywhere"
    )


SMALL = f"font-size:12px;{MUTED}"
HEAD = f"{SMALL};margin:0 0 8px"
NAME = "color:var(--jp-ui-font-color1, inherit)"
FOOT = f"{SMALL};margin:12px 0 0;padding:7px 0 0;border-top:{LINE}"
NOTE = f"{SMALL};margin:6px 0"
PICTURE = "max-width:100%;max-height:480px"
SUB = "font-size:inherit;vertical-align:baseline"
TABLE = "overflow-x:auto"
TASK = "list-style-type:none;margin:2px 0 2px -20px"
PROSE = "max-width:860px"
TOOL = "margin:4px 0;font-size:13px"
SUMMARY = "cursor:pointer"
STATE = "font-size:12px"
CHILDREN = f"margin:4px 0 4px 6px;padding:0 0 0 12px;border-left:{LINE};list-style-type:none"
NOTICE = "font-size:13px;margin:10px 0 0"
PRE = (
    f"{MONO};line-height:1.5;{SURFACE};border:{LINE};border-radius:6px;padding:8px 12px;margin:6px 0 10px;"
    "overflow-x:auto;white-space:pre;overflow-wrap:normal"
)
PRE_CODE = "padding:0;background-color:transparent;white-space:inherit"
WRAPPED_PRE = (
    f"{MONO};line-height:1.5;{SURFACE};border-radius:6px;padding:8px 12px;margin:6px 0;"
    "white-space:pre-wrap;overflow-x:hidden"
)
CODE = f"{MONO};{SURFACE};border-radius:3px;padding:1px 4px"
QUESTION = "font-size:13px;margin:4px 0 8px"
THOUGHT = f"{MUTED};font-size:12.5px;margin:6px 0 6px 14px;white-space:pre-wrap"

MARKDOWN = {
    "p": f"margin:0 0 9px;{PROSE}",
    "ul": "margin:0 0 9px;padding:0 0 0 24px",
    "ol": "margin:0 0 9px;padding:0 0 0 28px",
    "li": f"margin:2px 0;{PROSE}",
    "blockquote": f"margin:0 0 9px;padding:0 0 0 12px;border-left:3px solid rgba(128, 128, 128, 0.4);{MUTED}",
    "hr": f"border:none;border-top:{LINE};margin:14px 0",
    "table": "border-collapse:collapse;margin:6px 0 12px;font-size:13px",
    "th": f"padding:4px 12px 4px 0;border-bottom:{LINE};font-weight:600;text-align:left;overflow-wrap:normal",
    "td": f"padding:4px 12px 4px 0;border-bottom:{LINE};text-align:left;overflow-wrap:normal",
    "h3": "font-size:17px;font-weight:600;margin:16px 0 8px",
    "h4": "font-size:15.5px;font-weight:600;margin:14px 0 6px",
    "h5": "font-size:14px;font-weight:600;margin:12px 0 5px",
    "h6": "font-size:13px;font-weight:600;margin:10px 0 4px",
    "a": f"{tone('name')};text-decoration:underline",
}

# JupyterLab, nbconvert and nbviewer run MathJax over the page. A lone sign in an element of its own is never math.
_MATH_SIGN = re.compile(r"\$|\\(?=[A-Za-z(\[{])")


def escape(text: str) -> str:
    """Return `text` as HTML that shows just this text: nothing hidden, no markup, no mathematics."""
    return _MATH_SIGN.sub(r"<span>\g<0></span>", html.escape(visible(text)))


def escape_code(text: str) -> str:
    """Return `text` as HTML for `code` and `pre`, where MathJax does not look."""
    return html.escape(visible(text))


def span(text: str, style: str) -> str:
    """Return `text`, escaped, in a style."""
    return f'<span style="{style}">{escape(text)}</span>'
