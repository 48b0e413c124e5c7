"""Texts of a model put together at random, from what Markdown, LaTeX, HTML and diagrams are made of."""

from __future__ import annotations

from random import Random

ADDRESS = "http://evil.example/leak"
LANGUAGES = (
    *(
        "mermaid",
        "Mermaid",
        "math",
        "latex",
        "vega",
        "vega-lite",
        "geojson",
        "plantuml",
        "dot",
        "graphviz",
        "svg",
        "html",
    ),
    *(
        "xml",
        "javascript",
        "css",
        "python",
        "sql",
        "markdown",
        "md",
        "rst",
        "text",
        "json",
        "{mermaid}",
        "mermaid {x}",
        "",
    ),
)
DIAGRAMS = (
    f'flowchart LR\nA@{{ img: "{ADDRESS}" }}',
    f"%%{{init: {{'themeCSS': '*{{background-image:url({ADDRESS})}}'}}}}%%\ngraph LR; A-->B",
    f"graph LR; A[\"<b style='background:url({ADDRESS})'>x</b>\"]",
    f'---\nconfig:\n  themeCSS: "@import url({ADDRESS})"\n---\ngraph LR; A-->B',
    *("sequenceDiagram\nA->>B: x", 'pie\n"x": 1', "gantt\ntitle x", "erDiagram\nA ||--o{ B : x"),
)
PIECES = (
    *"*_~`[]()<>#-+|!&;:\\$\"'=\t ",
    *(
        " ",
        " ",
        "\n",
        "\n\n",
        "\n    ",
        "\n> ",
        "\n- ",
        "\n1. ",
        "\n- [x] ",
        "\n***\n",
        "\n# ",
        "|a|b|\n|-|-|\n|1|2|\n",
    ),
    *("**", "$$", "\\(", "\\)", "\\[", "\\]", "![x](", "[x](", "```", "~~~", "<b>", "</div>", "<!--", "-->"),
    *(f"![x]({ADDRESS})", f"<img src={ADDRESS}>", f"[x]: {ADDRESS}\n", f"<{ADDRESS}>", f"$\\href{{{ADDRESS}}}{{x}}$"),
    *("\n<img src=x onerror=hit()>\n", "<script>hit()</script>", "<svg onload=hit()>", "$\\style{x}{y}$"),
    *(
        "&#36;&#92;href{javascript:hit()}{x}&#36;",
        "&lt;",
        "&#x202e;",
        "\u2028",
        "\x85",
        "\ufdd0",
        "\ufdd1",
        "é",
        "漢字",
        "👋",
    ),
)


def random_text(number: int) -> tuple[str, list[str]]:
    """Return a text and its words, each of which a reader must find.

    Args:
        number: which text; the same number gives the same text.
    """
    random = Random(number)
    parts: list[str] = []
    words: list[str] = []
    for _ in range(random.randint(3, 40)):
        kind = random.random()
        if kind < 0.35:
            words.append(f"word{number}x{len(words)}")
            parts.append(f" {words[-1]} ")
        elif kind < 0.45:
            fence = random.choice(("```", "~~~", "````"))
            container = random.choice(("", "> ", "- ", "1. ", "  "))
            inside = random.choice(DIAGRAMS).replace("\n", f"\n{' ' * len(container)}")
            parts.append(f"\n\n{container}{fence}{random.choice(LANGUAGES)}\n{inside}\n{fence}\n\n")
        else:
            parts.append(random.choice(PIECES) * random.choice((1, 1, 1, 2, 5, 40)))
    return "".join(parts), words
