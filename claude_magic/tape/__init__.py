"""Tapes: runs recorded as JSON lines, and played again with no CLI and no account."""

from claude_magic.tape.format import TapeRun, decode_record, encode_record, read_tape
from claude_magic.tape.player import PLAYED, TapePlayer
from claude_magic.tape.recorder import TapeRecorder
from claude_magic.tape.redacted import RedactedLines

__all__ = [
    "PLAYED",
    "RedactedLines",
    "TapePlayer",
    "TapeRecorder",
    "TapeRun",
    "decode_record",
    "encode_record",
    "read_tape",
]
