"""Tapes: runs recorded as JSON lines, and played again with no CLI and no account."""

from claude_magic.recording.format import TapeRun, decode_record, encode_record, read_tape
from claude_magic.recording.recorder import TapeRecorder
from claude_magic.recording.redacted_lines import RedactedLines
from claude_magic.recording.replayer import ReplaySwitch, TapeReplayer

__all__ = [
    "RedactedLines",
    "ReplaySwitch",
    "TapeRecorder",
    "TapeReplayer",
    "TapeRun",
    "decode_record",
    "encode_record",
    "read_tape",
]
