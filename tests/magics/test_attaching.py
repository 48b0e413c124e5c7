"""Attaching: text, tables and pictures become content blocks; what cannot be sent is a mistake that says why."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import PIL.Image
import pytest
from IPython.core.formatters import PNGFormatter
from IPython.display import HTML, Audio, Image, Markdown
from matplotlib.figure import Figure

from claude_magic.magics.attaching import attached_words, attachment

mpl.use("agg")

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def words(value: Any, name: str = "value") -> str:
    """The text of an attachment that is one text block."""
    [block] = attachment(name, value)
    assert block["type"] == "text"
    return str(block["text"])


def picture(value: Any) -> tuple[str, bytes]:
    """Media type and bytes of an attachment that is a picture with a title."""
    title, block = attachment("value", value)
    assert title == {"type": "text", "text": title["text"]}
    assert block["type"] == "image"
    return block["source"]["media_type"], base64.b64decode(block["source"]["data"])


@pytest.mark.parametrize(
    ("value", "text"), [("hello", "hello"), (5, "5"), ({"a": [1]}, "{'a': [1]}"), (b"\x00", "b'\\x00'")]
)
def test_plain_values(value: Any, text: str) -> None:
    """Anything is its text, in a fence, with its name and type."""
    assert words(value) == f"Attached `value` ({type(value).__name__}):\n\n```\n{text}\n```"


def test_a_fence_in_a_text_does_not_end_its_fence() -> None:
    """The fence around is longer than any inside."""
    assert words("```\ncode\n```").endswith("````\n```\ncode\n```\n````")


def test_a_long_text_is_cut_and_says_so() -> None:
    """100,000 characters, and how many were left out."""
    text = words("z" * 123_456)

    assert "z" * 100_000 + "… [23,456 characters left out]" in text


def test_a_frame_is_schema_and_sample() -> None:
    """Enough to write code for it: columns, types, gaps, the first rows."""
    frame = pd.DataFrame({"n": range(30), "a|b": [None, "x"] * 15})

    text = words(frame, "df")

    assert text.startswith("Attached table `df`:\n\n30 rows × 2 columns")
    assert "| n | int64 | 0 |" in text
    assert "| a\\|b | " in text
    assert "| 15 |" in text
    assert "First 10 rows:" in text
    assert "… and 20 more rows" in text


def test_a_series_is_a_column() -> None:
    """With its name."""
    text = words(pd.Series([1.5, 2.5], name="price"), "s")

    assert text.startswith("Attached series `s`:\n\n2 rows × 1 columns")
    assert "| price | float64 | 0 |" in text


def test_an_empty_frame() -> None:
    """Is no mistake."""
    assert "0 rows × 0 columns" in words(pd.DataFrame())


def test_a_figure_and_its_axes_are_pictures() -> None:
    """As PNG; also what `df.plot()` returns."""
    figure = Figure()
    axes = figure.subplots()

    for value in (figure, axes):
        kind, data = picture(value)
        assert kind == "image/png"
        assert data.startswith(b"\x89PNG")


def test_a_pil_image_is_a_picture() -> None:
    """As PNG, whatever its mode."""
    assert picture(PIL.Image.new("L", (2, 2)))[0] == "image/png"


@pytest.mark.parametrize(
    ("format", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")]
)
def test_picture_bytes_and_files(tmp_path: Path, format: str, kind: str) -> None:
    """The kind is what the bytes say, not what the file is called."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (2, 2)).save(buffer, format=format)
    path = tmp_path / "picture.dat"
    path.write_bytes(buffer.getvalue())

    assert picture(buffer.getvalue()) == (kind, buffer.getvalue())
    assert picture(path) == (kind, buffer.getvalue())


def test_what_can_draw_itself_is_a_picture() -> None:
    """`_repr_png_` as bytes, as base64, or with metadata."""
    for drawn in (PNG, base64.b64encode(PNG).decode(), (PNG, {"width": 1})):
        value = type("Drawing", (), {"_repr_png_": lambda self, drawn=drawn: drawn})()
        assert picture(value) == ("image/png", PNG)


def test_what_could_draw_itself_but_does_not_is_text() -> None:
    """`None` of `_repr_png_` means no picture."""
    value = type("Shy", (), {"_repr_png_": lambda self: None, "__str__": lambda self: "shy"})()

    assert "```\nshy\n```" in words(value)


def test_a_text_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path and its text; `~` is the home folder."""
    (tmp_path / "notes.md").write_text("größe\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    assert words(Path("~/notes.md")) == f"Attached file `{tmp_path / 'notes.md'}`:\n\n```\ngröße\n\n```"


def test_a_huge_text_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Only what can be sent, also where the cut goes through a character."""
    path = tmp_path / "big.log"
    path.write_text("x" + "é" * 300_000, encoding="utf-8")

    text = words(path)

    assert text.endswith("… [the rest of the file is left out]\n```")
    assert len(text) < 100_300


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("nosuch.txt", None, "cannot be read"),
        ("data.bin", b"\xff\xfe\x00\x01", "neither text"),
        ("a.bmp", b"BM\xff\xff\xfa", "PNG, JPEG"),
    ],
)
def test_a_file_that_cannot_be_sent(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    """It says why."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ValueError, match=reason):
        attachment("value", path)
    with pytest.raises(ValueError, match="cannot be read"):
        attachment("value", tmp_path)


def test_a_picture_that_is_too_large() -> None:
    """The limit is the API's; the message says what to do."""
    with pytest.raises(ValueError, match=r"6\.0 MB; at most 5 MB can be sent: make it smaller"):
        attachment("value", PNG + b"\0" * (6 * 2**20))


def test_axes_in_arrays_and_lists_are_their_figure() -> None:
    """As `plt.subplots(2, 2)`, `df.hist()` and `ax.bar()` return them; a list of figures is each of them."""
    figure = Figure()
    axes = figure.subplots(2, 2)

    for value in (axes, list(axes), axes[0][0].plot([1, 2]), axes[0][0].bar([1], [2]), {"a": axes[0][0]}):
        assert picture(value)[0] == "image/png"
    two = attachment("value", [figure, Figure()])
    assert [block["type"] for block in two] == ["text", "image", "image"]
    assert attached_words([], two) == "2 pictures"


class Shows:
    """Shows itself as a notebook's libraries do, and prints a lot."""

    def __init__(self, **bundle: Any) -> None:
        self.bundle = {kind.replace("_", "/"): data for kind, data in bundle.items()}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return self.bundle, {}

    def __repr__(self) -> str:
        return "Shows(" + "x=1, " * 30_000 + ")"


def test_what_shows_itself_as_a_picture_is_one() -> None:
    """In a bundle of MIME types, by a method for JPEG, or by a printer that a library registered."""
    drawn = base64.b64encode(PNG).decode()
    assert picture(Shows(text_plain="<Chart>", image_png=drawn)) == ("image/png", PNG)

    class Odd:
        pass

    formatter = PNGFormatter()
    formatter.for_type(Odd, lambda value: PNG)
    title, block = attachment("value", Odd(), {"image/png": formatter})
    assert (title["type"], block["type"]) == ("text", "image")


def test_what_shows_itself_as_text_is_that_text() -> None:
    """Markdown, LaTeX and HTML that IPython displays; a styled table is its data."""
    assert "```\n# Title\n```" in words(Shows(text_markdown="# Title"))
    assert "```\n# Title\n```" in words(Markdown("# Title"))
    assert "```\n<b>bold</b>\n```" in words(HTML("<b>bold</b>"))
    styled = type("Styler", (), {"data": pd.DataFrame({"price": [3]})})()
    assert "| price | int64 | 0 |" in words(styled)
    assert attached_words(styled, []) == "table, 1 row"


def test_a_function_is_its_source() -> None:
    """Its address would say nothing."""
    for value in (test_a_function_is_its_source, Shows, Shows().__repr__):
        assert f" {value.__name__}" in words(value)


def test_addresses_within_a_value_are_left_out() -> None:
    """They mean nothing to anybody, and change with each run; a text keeps what it says."""
    assert "```\n{'f': <function words>}\n```" in words({"f": words})
    assert "at 0x7f00aa" in words("segfault at 0x7f00aa")


def test_the_text_of_an_object_is_bounded() -> None:
    """What a person typed or collected may be long; the `repr` of an object is cut earlier."""
    assert len(words(Shows())) < 10_200
    assert len(words(["word"] * 10_000)) > 70_000


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "has no text of its own"),
        ((number for number in range(3)), "has no text of its own"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "has no text of its own"),
        (Audio(b"RIFF", rate=1, embed=True), "has no text of its own"),
        (Image(url="http://127.0.0.1:9/picture.png"), "is not fetched"),
        (PNG[:40], "cannot be read as one"),
        ([Figure() for _ in range(11)], "at most 10"),
    ],
)
def test_what_cannot_be_sent_is_refused(value: Any, reason: str) -> None:
    """In one sentence; an address in memory is never sent."""
    with pytest.raises(ValueError, match=reason) as caught:
        attachment("value", value)

    assert "\n" not in str(caught.value)


def test_a_chart_without_its_painter_says_what_to_install() -> None:
    """Plotly and Altair draw pictures with a package of their own."""

    def fail(self: Any, *args: Any, **kwargs: Any) -> None:
        raise ValueError("Image export using the kaleido engine requires the kaleido package")

    chart = type("Figure", (), {"__module__": "plotly.graph_objs._figure", "to_image": fail})()
    with pytest.raises(ValueError, match="pip install kaleido"):
        attachment("chart", chart)
    drawn = type("Figure", (), {"__module__": "plotly.graph_objs._figure", "to_image": lambda self, format: PNG})()
    assert picture(drawn) == ("image/png", PNG)


def test_a_picture_of_a_mode_that_png_does_not_have() -> None:
    """Is turned into one that it has."""
    assert picture(PIL.Image.new("CMYK", (2, 2)))[0] == "image/png"
