"""What Sphinx does not do by itself: tables made from the code, notebooks as pages, dark pictures, prompt cells."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import reference_tables
from docutils import nodes
from pygments.lexer import Lexer
from pygments.lexers.markup import MarkdownLexer
from pygments.token import Comment, Keyword, Name, Text
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform

try:
    from IPython.lib.lexers import IPython3Lexer
except ImportError:  # IPython 9 leaves its lexers to a package of their own
    from ipython_pygments_lexers import IPython3Lexer

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
TUTORIALS = ROOT / "docs" / "tutorials"

_FROM_CODE = re.compile(r"^```\{from-code\} (\w+)\n```$", re.MULTILINE)
_NOTEBOOK_LINK = re.compile(r"\]\((?:\.\./)+notebooks/(\w+)\.ipynb(#[\w-]+)?\)")
_PROMPT = re.compile(r"^((?:#.*\n|\s*\n)*)(%%claude\b)(.*)(\n|$)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of all this."""
    app.connect("config-inited", copy_notebooks)
    app.connect("source-read", fill_in)
    app.add_transform(DarkPictures)
    for name in NotebookLexer.aliases:
        app.add_lexer(name, NotebookLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_notebooks(app: Sphinx, config: Config) -> None:
    """Put the notebooks where their pages shall be; one that did not change keeps its time, so it is not read again."""
    for source in NOTEBOOKS.glob("*.ipynb"):
        target = TUTORIALS / source.name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copy(source, target)
    for target in TUTORIALS.glob("*.ipynb"):
        if not (NOTEBOOKS / target.name).exists():
            target.unlink()


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the tables into a page, and lead its links to notebooks to their pages.

    In the repository such a link leads to the notebook itself, so that both ways of reading a page work.
    """
    up = "../" * page.count("/")
    text = _FROM_CODE.sub(lambda match: reference_tables.TABLES[match[1]](), source[0])
    source[0] = _NOTEBOOK_LINK.sub(rf"]({up}tutorials/\1.ipynb\2)", text)


class DarkPictures(SphinxTransform):
    """Shows `name-dark.png` in place of `name.png` on a dark page, where there is one."""

    default_priority = 10  # before Sphinx collects the pictures

    def apply(self, **kwargs: Any) -> None:
        """Put the dark one beside each picture."""
        for image in list(self.document.findall(nodes.image)):
            path = Path(image["uri"])
            dark = path.with_stem(f"{path.stem}-dark")
            folder = Path(self.env.doc2path(self.env.docname)).parent
            if "://" in image["uri"] or not (folder / dark).is_file():
                continue
            twin = image.deepcopy()
            twin["uri"] = dark.as_posix()
            image["classes"] = [*image.get("classes", []), "only-light"]
            twin["classes"] = [*twin.get("classes", []), "only-dark"]
            image.replace_self([image, twin])


class NotebookLexer(Lexer):
    """Cells of a notebook: a prompt is a magic, its options, and Markdown; everything else is IPython's."""

    name = "Notebook cell"
    aliases = ("ipython3", "ipython", "python")

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Yield position, kind and text of each token."""
        match = _PROMPT.match(text)
        if match is None:
            yield from IPython3Lexer(**self.options).get_tokens_unprocessed(text)
            return
        for group, kind in ((1, Comment), (2, Keyword), (3, Name.Attribute), (4, Text)):
            if match[group]:
                yield match.start(group), kind, match[group]
        for at, kind, part in MarkdownLexer(**self.options).get_tokens_unprocessed(text[match.end() :]):
            yield match.end() + at, kind, part
