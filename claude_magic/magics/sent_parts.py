"""What goes into a prompt, part by part, with an estimate of its tokens; and what `--dry-run` shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from claude_magic.config import SessionConfig
from claude_magic.kernel.level import KernelLevel
from claude_magic.rendering.images import pictures_among
from claude_magic.rendering.text import plural
from claude_magic.strings import shortened
from claude_magic.widgets.protocol import PictureData, SentValue

_CHARACTERS_PER_TOKEN = 4
"""Rough size of a token of English, Markdown and code."""
_TOKENS_OF_A_PICTURE = 1_500
"""What the API counts for a picture of a megapixel, its largest; a small one costs less."""
_LONGEST_TEXT = 4_000
"""Characters of one part that are kept with the run."""


def sent_value(label: str, words: str, blocks: Iterable[Mapping[str, Any]] | str) -> SentValue:
    """Return what there is to know of a part of a prompt.

    Args:
        label: what was typed for it, such as `{sales}`.
        words: what it is, in a few words.
        blocks: its text, or the content blocks that carry it.
    """
    given: list[Mapping[str, Any]] = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else list(blocks)
    texts = [str(block.get("text", "")) for block in given if block.get("type") == "text"]
    pictures = len(given) - len(texts)
    text = "\n".join([*texts, *[f"[{plural(pictures, 'picture')}]"] * bool(pictures)])
    tokens = tokens_of(text) + pictures * _TOKENS_OF_A_PICTURE
    shown: list[PictureData] = [
        {"kind": one.kind, "data": one.data, "words": one.words} for one in pictures_among(given)
    ]
    return {
        "label": label,
        "words": words,
        "tokens": tokens,
        "text": shortened(text, _LONGEST_TEXT),
        "pictures": shown,
    }


def tokens_of(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def dry_run_words(
    parts: Iterable[SentValue],
    texts: Iterable[str],
    notes: Iterable[str],
    config: SessionConfig,
    session: str,
    is_open: bool,
    level: KernelLevel,
    schema: Any = None,
) -> str:
    """Return what `--dry-run` shows: everything that would be sent, and about how much it is.

    Args:
        parts: what goes in beside the typed text.
        texts: all that would be sent, block by block.
        notes: what the cell would say of the prompt.
        config: settings of the session.
        session: its name.
        is_open: whether it is open already.
        level: what Claude may do in the kernel.
        schema: JSON Schema that the answer must fit, or `None`.
    """
    known = list(parts)
    shown = list(texts)
    pictures = sum(part["tokens"] for part in known) - sum(tokens_of(part["text"]) for part in known)
    total = sum(map(tokens_of, shown)) + max(0, pictures)
    lines = [
        "Nothing was sent. This would be:",
        f"session:   {session} ({'open' if is_open else 'new'})",
        f"model:     {config.model or 'the default of the CLI'}",
        f"folder:    {config.working_dir}",
        f"mode:      {config.permission_mode}; allowed without asking: {', '.join(config.allowed_tools) or 'nothing'}",
        f"tools:     {'all' if config.tools is None else ', '.join(config.tools) or 'none'}",
        f"kernel:    {level}",
        f"simulated: {'yes' if config.simulated else 'no'}",
        f"size:      about {total:,} tokens",
        *(f"           {part['tokens']:>7,}  {part['label']}  {part['words']}" for part in known),
    ]
    if schema is not None:
        lines.append("schema:    the answer must fit a JSON Schema")
    return "\n".join([*lines, *notes, "", *shown])
