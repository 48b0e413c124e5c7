"""What a person allowed for the rest of a session: what can be offered, what it is called, and what it covers.

The CLI asks about every use that its own rules do not decide; what is granted is remembered and matched here. So a
grant outlives the CLI's process, can be shown, and can be taken back. A grant never covers more than its words say:
where that is not certain, it does not cover, and the person is asked.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from claude_magic.permissions import PLAN_TOOL, QUESTION_TOOL, Allow, PermissionRequest
from claude_magic.strings import shortened

Kind = Literal["input", "command", "edits", "reading", "site", "tool"]

EDIT_TOOLS = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path", "NotebookEdit": "notebook_path"}
_NEVER_REMEMBERED = frozenset({PLAN_TOOL, QUESTION_TOOL, "EnterPlanMode"})
_SAYS_NOTHING = {"Bash": ("description", "timeout")}
"""Fields of an input that differ from use to use and change nothing of what is done."""
_LONGEST_LABEL = 200
# Outside quotes these can begin another command, fill something in, redirect, or escape. In double quotes fewer can.
_ACTIVE = frozenset(";&|<>()$`\\{}#\n\r")
_ACTIVE_IN_QUOTES = frozenset("$`\\\n\r")
_ASSIGNMENT = re.compile(r"\w+\+?=")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?([/?#][!-~]*)?", re.ASCII)


@dataclass(frozen=True)
class Grant:
    """One thing that runs without asking.

    Attributes:
        kind: what `scope` is: the input itself as JSON, the first words of a command, a folder, a host, or nothing.
        tool: name of the tool; of `edits` any that edits files.
        scope: how far it goes.
        choice: what it is called beside the question it was offered with.
        label: what it is called where it stands alone.
    """

    kind: Kind
    tool: str
    scope: str = ""
    choice: str = field(default="", compare=False)
    label: str = field(default="", compare=False)

    def covers(self, request: PermissionRequest) -> bool:
        """Whether it allows what is asked."""
        if request.tool_name in _NEVER_REMEMBERED:
            return False
        if self.kind == "edits":
            path = request.tool_input.get(EDIT_TOOLS.get(request.tool_name, ""))
            return _is_in_folder(path, self.scope, request.working_dir, hidden=False)
        return request.tool_name == self.tool and self._covers_input(request)

    def _covers_input(self, request: PermissionRequest) -> bool:
        given = request.tool_input
        if self.kind == "tool":
            return True
        if self.kind == "input":
            return _canonical(self.tool, given) == self.scope
        if self.kind == "command":
            argv = _simple_command(given.get("command"))
            named = self.scope.split(" ")
            is_elsewhere = request.blocked_path != "" or bool(given.get("dangerouslyDisableSandbox"))
            return argv[: len(named)] == named and not is_elsewhere
        if self.kind == "reading":
            return _is_in_folder(given.get("file_path"), self.scope, request.working_dir, hidden=True)
        return self.scope != "" and _host(given.get("url")) == self.scope


@dataclass(frozen=True)
class Remembered(Allow):
    """An `Allow` that holds for more than this one use.

    Args:
        grant: what is allowed for the rest of the session.
    """

    grant: Grant = field(default_factory=lambda: Grant("input", ""))


def offered(request: PermissionRequest) -> tuple[Grant, ...]:
    """Return what can be granted for the rest of the session when this is asked.

    Args:
        request: what is asked.

    Returns:
        First what a single click grants: the rule that the CLI suggests, else this exact input (of a tool of the
        kernel, the whole tool). The whole tool comes last. Empty for a question that is asked every time.
    """
    if not request.tool_name or request.tool_name in _NEVER_REMEMBERED:
        return ()
    grants = [grant for grant in _suggested(request) if grant.covers(request)]
    whole = Grant("tool", request.tool_name, "", f"all of {request.tool_name.rpartition('__')[2]}")
    if request.tool_name.startswith("mcp__kernel__"):
        grants += [whole]  # the same code twice is rare, and no one knows beforehand that it will come
    grants += [_exactly(request), whole]
    return tuple(dict.fromkeys(_named(grant) for grant in grants))


def exactly(request: PermissionRequest, given: dict[str, Any] | None) -> Grant:
    """Return the grant for one input and no other.

    Args:
        request: what was asked.
        given: the input that runs in its place; `None` for that of the request.
    """
    return _named(_exactly(request, given))


def _exactly(request: PermissionRequest, given: dict[str, Any] | None = None) -> Grant:
    shown = request.tool_input if given is None else given
    what = "command" if request.tool_name == "Bash" else "input"
    return Grant("input", request.tool_name, _canonical(request.tool_name, shown), f"exactly this {what}")


def _suggested(request: PermissionRequest) -> Iterator[Grant]:
    """Yield what the CLI (2.1.197 to 2.1.332) suggests to remember, as far as it can be matched here."""
    for suggestion in request.suggestions:
        kind = suggestion.get("type")
        if kind == "addRules" and suggestion.get("behavior", "allow") == "allow":
            rules = suggestion.get("rules")
            for rule in rules if isinstance(rules, list) else ():
                if isinstance(rule, dict):
                    yield from _rule(request.tool_name, rule)
        elif kind == "setMode" and suggestion.get("mode") == "acceptEdits" and request.tool_name in EDIT_TOOLS:
            yield from _edits(request)


def _rule(tool: str, rule: dict[str, Any]) -> Iterator[Grant]:
    content = str(rule.get("ruleContent") or "")
    if rule.get("toolName") != tool:
        return
    if tool == "Bash":
        named = re.fullmatch(r"(.*?)(?::\*| \*)", content)
        argv = _simple_command(named[1]) if named is not None else []
        if argv and not any(character in word for word in argv for character in "*?[ "):
            yield Grant("command", tool, " ".join(argv), f"{named[1]} *" if named is not None else "")
    elif tool == "Read":
        if content.startswith("//") and content.endswith("/**"):
            folder = content[1:-3]
            yield Grant("reading", tool, folder, f"reading in {Path(folder).name or folder}")
    elif tool == "WebFetch":
        host = content.removeprefix("domain:")
        yield Grant("site", tool, host, host)


def _edits(request: PermissionRequest) -> Iterator[Grant]:
    folders = [request.working_dir]
    for suggestion in request.suggestions:
        more = suggestion.get("directories") if suggestion.get("type") == "addDirectories" else None
        folders += [str(folder) for folder in more] if isinstance(more, list) else []
    for folder in folders:
        if Path(folder).is_absolute():
            yield Grant("edits", "", folder, f"edits in {Path(folder).name or folder}")


def _named(grant: Grant) -> Grant:
    """Return a grant with what it is called where it stands alone."""
    labels = {
        "input": f"{grant.tool}: {_told(grant) if grant.kind == 'input' else ''}",
        "command": f"{grant.tool}: {grant.scope} *",
        "edits": f"edits in {grant.scope}",
        "reading": f"reading in {grant.scope}",
        "site": f"{grant.tool}: {grant.scope}",
        "tool": f"all of {grant.tool}",
    }
    label = shortened(labels[grant.kind], _LONGEST_LABEL)
    return Grant(grant.kind, grant.tool, grant.scope, grant.choice, label)


def _told(grant: Grant) -> str:
    given = json.loads(grant.scope)
    for name in ("command", "file_path", "notebook_path", "url", "query"):
        if isinstance(given.get(name), str):
            return str(given[name])
    return grant.scope


def _canonical(tool: str, given: dict[str, Any]) -> str:
    shown = {name: value for name, value in given.items() if name not in _SAYS_NOTHING.get(tool, ())}
    return json.dumps(shown, sort_keys=True, ensure_ascii=False, default=str)


def _simple_command(command: Any) -> list[str]:
    """Return the words of a command that is one command and nothing else; empty for any other, and where in doubt."""
    if not isinstance(command, str) or any(unicodedata.category(sign)[0] in "CZ" and sign != " " for sign in command):
        return []
    quote = ""
    for sign in command:
        if quote:
            if sign == quote:
                quote = ""
            elif quote == '"' and sign in _ACTIVE_IN_QUOTES:
                return []
        elif sign in "'\"":
            quote = sign
        elif sign in _ACTIVE:
            return []
    argv = shlex.split(command, posix=True) if not quote else []
    # `NAME=value` in front of a command changes what it does.
    return [] if not argv or _ASSIGNMENT.match(argv[0]) else argv


def _is_in_folder(path: Any, folder: str, working_dir: str, *, hidden: bool) -> bool:
    """Whether a path lies in a folder, with links followed; `hidden` says whether names with a dot in front count."""
    if not isinstance(path, str) or path == "" or path.startswith("~") or not Path(folder).is_absolute():
        return False
    place = Path(path)
    if not place.is_absolute():
        if not working_dir:
            return False
        place = Path(working_dir) / place
    try:
        below = place.resolve().relative_to(Path(folder).resolve())
    except (ValueError, OSError, RuntimeError):
        return False
    return bool(below.parts) and (hidden or not any(part.startswith(".") for part in below.parts))


def _host(url: Any) -> str:
    """Return the host of an address that every reader of addresses reads alike; "" for any other."""
    if not isinstance(url, str) or _PLAIN_URL.fullmatch(url) is None:
        return ""
    return (urlsplit(url).hostname or "").lower()
