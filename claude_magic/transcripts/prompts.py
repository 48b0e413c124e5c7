"""Which words are a person's prompt, and which ones the CLI wrote for itself. No pandas."""

from __future__ import annotations

import re

from claude_magic.transcripts.lines import APIMessage, Record

INTERRUPTED = "[Request interrupted by user"
COMMAND_OUTPUT = "<local-command-stdout>"
_COMMAND = re.compile(r"<command-name>(.*?)</command-name>.*?(?:<command-args>(.*?)</command-args>)?\s*$", re.DOTALL)
_SAID_BY_THE_CLI = (COMMAND_OUTPUT, "<local-command-stderr>", "<local-command-caveat>", "<bash-")
_OF_OTHERS = ("<task-notification>", "<teammate-message", "<agent-message")
"""How the words begin that a task or another agent says where a person's stand."""
_LOOKED_AT = 100
_REMINDERS = re.compile(r"(?:\s*<system-reminder>.*?</system-reminder>)+\s*", re.DOTALL)
"""What the CLI puts before a person's words, in the same block or in one of its own."""


def words_of(message: APIMessage) -> str:
    """Return the text of a message without what the CLI has put before it.

    A block that is only a line feed marks a prompt as literal, and was not typed.
    """
    content = message.content
    texts = [block.text for block in content if block.type == "text"] if isinstance(content, list) else [content]
    return "\n".join(typed for text in texts if text and text != "\n" and (typed := without_reminders(text)))


def without_reminders(text: str) -> str:
    """Return a text without the reminders of the CLI at its beginning."""
    reminders = _REMINDERS.match(text) if "<system-reminder>" in text[:_LOOKED_AT] else None
    return text if reminders is None else text[reminders.end() :]


def is_prompt(record: Record, words: str) -> bool:
    """Whether a `user` record of the main thread begins a turn: a person, or a task that ended, asked for an answer."""
    written_by_the_cli = record.isMeta or record.isCompactSummary or words.startswith(_SAID_BY_THE_CLI)
    return not record.isSidechain and not written_by_the_cli


def prompt_of(words: str) -> str:
    """Return a prompt as it was typed; "" for an unprompted turn."""
    if words.startswith(_OF_OTHERS):
        return ""
    command = _COMMAND.search(words) if words.startswith("<command-") else None
    if command is None:
        return words
    return f"{command[1]} {command[2] or ''}".strip()


def opening_of(prompt: str, length: int) -> str:
    """Return the first words of a prompt, on one line of at most `length` characters."""
    line = " ".join(prompt[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"
