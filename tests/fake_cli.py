"""A stand-in for the Claude CLI in stream-json mode: right in its shapes (2.1.330), wrong on demand in its manners.

Run it as `python fake_cli.py [FLAGS OF THE CLI]`; only the standard library is needed. It knows `--session-id`,
`--resume`, `--fork-session`, `--model`, `--permission-mode`, `--replay-user-messages` and `--version`, and ignores the
other flags. With `CLAUDE_CONFIG_DIR` set it remembers sessions there, so that `--resume` keeps count and an unknown id
is refused; without it every id is known.

The environment variable `FAKE_CLI` (or `--fake=WORD`) chooses how the process behaves:

    normal            answers (the default)
    die_at_start      writes to stderr, exits with 1
    dead              never answers anything, ends at the end of stdin
    stubborn          like dead, and ignores the end of stdin, SIGTERM and SIGINT
    flood_stderr      writes FAKE_CLI_MB (default 100) of lines to stderr, then goes on as normal
    two_words         writes a line to stderr, a garbage line to stdout, another to stderr, then goes on as normal

or, if it is one of the words below, how every prompt is answered. A prompt whose first word is one of them is answered
so too; any other is answered with `Echo: PROMPT`.

    slow              one word every 20 ms, for a minute, or until interrupted
    silent            nothing at all, until interrupted
    permission        asks for the tool Bash (`echo REST OF THE PROMPT`), then says how it went
    tool              uses the tool Bash without asking
    think             thinks first
    fail              the API refuses: an error result (529)
    count             says how many prompts the session has had
    background        after the turn, another one follows, unsolicited
    spawn             leaves one child in the tree and one that has detached itself; the answer is their pids
    shell             runs the rest of the prompt in a shell; the answer is what that printed
    stderr            writes the rest of the prompt to stderr, then echoes
    garbage           lines that are no JSON, or none that anybody knows, around the answer
    long_line         a tool result of FAKE_CLI_MB (default 20), in one line
    split_utf8        the answer written byte by byte
    deltas            FAKE_CLI_DELTAS (default 1000) text deltas as fast as they go
    die               exits with 3 in the middle of the turn, with a word on stderr
    die_mid_line      exits with 3 in the middle of a line
    exit_with_output  the whole answer, then exits with 0 while it is still in the pipe
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

VERSION = "2.1.330"
PRICE_USD = 0.005
INPUT_TOKENS, OUTPUT_TOKENS = 1000, 50
MODELS = ["default", "opus", "sonnet", "haiku"]
SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(300)"]


class Interrupted(Exception):
    """The host asked to stop the turn."""


class FakeCLI:
    """One conversation: prompts and control requests in, the CLI's lines out."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.manner = option(argv, "--fake") or environment.get("FAKE_CLI", "normal")
        self.size = int(float(environment.get("FAKE_CLI_MB", "100" if self.manner == "flood_stderr" else "20")) * 2**20)
        self.deltas = int(environment.get("FAKE_CLI_DELTAS", "1000"))
        self.replays = "--replay-user-messages" in argv
        self.model = option(argv, "--model") or "claude-opus-5-5"
        self.mode = option(argv, "--permission-mode") or "default"
        self.resumed = option(argv, "--resume")
        forked = str(uuid.uuid4()) if "--fork-session" in argv else ""
        self.session_id = option(argv, "--session-id") or forked or self.resumed or str(uuid.uuid4())
        folder = environment.get("CLAUDE_CONFIG_DIR")
        self.folder = Path(folder) / "fake-sessions" if folder else None
        self.prompts = 0
        self.cost_usd = 0.0
        self.calls = 0
        self.calls_before_turn = 0
        self.results = 0
        self.denials: list[dict[str, Any]] = []
        self.turn_id = ""
        self.answers: dict[str, dict[str, Any]] = {}
        self.waiting: list[dict[str, Any]] = []
        self.seen: set[str] = set()
        self.in_turn = False
        self.inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    # The conversation.

    def run(self) -> int:
        if self.manner == "die_at_start":
            complain("Error: the fake CLI does not want to start")
            return 1
        if self.manner in ("dead", "stubborn"):
            return play_dead(stubborn=self.manner == "stubborn")
        if self.manner == "flood_stderr":
            line = b"x" * 99 + b"\n"
            for _ in range(self.size // len(line) // 1000):
                sys.stderr.buffer.write(line * 1000)
            complain("the last line of the flood")
        if self.manner == "two_words":
            complain("first word")
            write(b"garbage\n")
            complain("second word")
        if not self.recall():
            return 1
        threading.Thread(target=self.read_stdin, daemon=True).start()
        while True:
            message = self.waiting.pop(0) if self.waiting else self.next_message(None)
            if message is None:
                return 0
            if message.get("type") == "user" and message.get("uuid") not in self.seen:
                self.seen.add(message.get("uuid") or str(uuid.uuid4()))
                self.turn(message)

    def read_stdin(self) -> None:
        for line in sys.stdin.buffer:
            self.inbox.put(line)
        self.inbox.put(b"")

    def next_message(self, timeout_s: float | None) -> dict[str, Any] | None:
        """Return the next prompt; control requests are answered on the way. `None` is the end of stdin."""
        line = self.inbox.get(timeout=timeout_s)
        if not line:
            self.inbox.put(line)  # the end is there to be found again after the turn
            return None
        try:
            message = json.loads(line)
            kind = message.get("type")
            if kind == "control_request":
                self.control(message["request_id"], message["request"])
            elif kind == "control_response":
                self.answers[message["response"]["request_id"]] = message["response"]
            elif kind == "user":
                message["message"]["content"]
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            complain(f"Error parsing streaming input line: {type(error).__name__} ({len(line)} bytes)")
            os._exit(1)  # as the real one does; the thread that reads stdin cannot be ended
        return dict(message)

    def attend(self, seconds: float) -> None:
        """Let time pass inside a turn: control requests are answered, prompts wait."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self.next_message(max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if message is None:
                time.sleep(max(0.0, deadline - time.monotonic()))
                return
            if message.get("type") == "user":
                self.waiting.append(message)
            if message.get("type") == "control_response":
                return

    def control(self, request_id: str, request: dict[str, Any]) -> None:
        subtype = request.get("subtype")
        answer: dict[str, Any] = {}
        if subtype == "initialize":
            answer = self.introduction()
        elif subtype == "interrupt":
            answer = {"still_queued": [message.get("uuid") for message in self.waiting]}
        elif subtype == "set_permission_mode":
            self.mode = request["mode"]
            answer = {"mode": self.mode}
        elif subtype == "set_model":
            self.model = request.get("model") or "claude-opus-5-5"
        elif subtype == "get_usage":
            answer = {"session": {"total_cost_usd": self.cost_usd, "model_usage": self.model_usage(self.calls)}}
        elif subtype != "set_max_thinking_tokens":
            refusal = f"Unsupported control request subtype: {subtype}"
            put(type="control_response", response={"subtype": "error", "request_id": request_id, "error": refusal})
            return
        put(type="control_response", response={"subtype": "success", "request_id": request_id, "response": answer})
        if subtype == "set_permission_mode":
            self.say("system", subtype="status", status=None, permissionMode=self.mode)
        if subtype == "interrupt" and self.in_turn:
            raise Interrupted

    def introduction(self) -> dict[str, Any]:
        models = [{"value": name, "displayName": name.title(), "description": f"Fake {name}"} for name in MODELS]
        account = {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"}
        return {
            "commands": [], "agents": [], "output_style": "default", "available_output_styles": ["default"],
            "models": models, "account": account, "pid": os.getpid(), "claude_code_version": VERSION,
            "current_permission_mode": self.mode, "session_state": "idle", "capabilities": [],
        }  # fmt: skip

    # A turn.

    def turn(self, message: dict[str, Any]) -> None:
        started = time.monotonic()
        prompt = text_of(message["message"]["content"])
        self.turn_id = message.get("uuid") or ""
        self.prompts += 1
        self.calls_before_turn = self.calls
        self.denials = []
        if self.replays:
            replay = {key: message[key] for key in ("message", "uuid") if key in message}
            self.say("user", parent_tool_use_id=None, isReplay=True, timestamp=stamp(), **replay)
        self.say("system", subtype="init", cwd=os.getcwd(), tools=["Bash", "Read"], mcp_servers=[], model=self.model,
                 permissionMode=self.mode, slash_commands=[], apiKeySource="ANTHROPIC_API_KEY",
                 claude_code_version=VERSION, output_style="default", agents=[], skills=[], plugins=[])  # fmt: skip
        word, _, rest = prompt.partition(" ")
        manner = word if word in MANNERS else self.manner
        self.in_turn = True
        try:
            text = MANNERS.get(manner, FakeCLI.echo)(self, rest if manner == word else prompt)
            self.in_turn = False
            if text is not None:
                self.result(started, result=text)
        except Interrupted:
            self.in_turn = False
            self.interrupted(started)
        self.remember()
        if manner == "background":
            self.say("system", subtype="init", cwd=os.getcwd(), tools=[], model=self.model, permissionMode=self.mode)
            self.calls_before_turn = self.calls
            self.result(time.monotonic(), result=self.answer("the task is done"), origin={"kind": "task-notification"})
        if manner == "exit_with_output":
            sys.stdout.flush()
            os._exit(0)

    def result(self, started: float, **fields: Any) -> None:
        calls = self.calls - self.calls_before_turn
        usage = {"input_tokens": INPUT_TOKENS * calls, "output_tokens": OUTPUT_TOKENS * calls,
                 "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}  # fmt: skip
        common = {
            "subtype": "success", "is_error": False, "stop_reason": "end_turn", "terminal_reason": "completed",
            "api_error_status": None, "user_message_uuid": self.turn_id, "user_message_uuids": [self.turn_id],
        }  # fmt: skip
        if "origin" in fields or not self.turn_id:
            del common["user_message_uuid"], common["user_message_uuids"]
        self.say("result", **{
            "total_cost_usd": self.cost_usd, "usage": usage, "modelUsage": self.model_usage(self.calls),
            "model_usage_since_last_result": self.model_usage(calls), "num_turns": calls,
            "permission_denials": self.denials, "duration_ms": int(1000 * (time.monotonic() - started)),
            "duration_api_ms": 16 * self.calls, "ttft_ms": 1, "queued_turn_count": len(self.waiting),
            "result_index": self.results, **common, **fields,
        })  # fmt: skip
        self.results += 1

    def interrupted(self, started: float) -> None:
        note = {"role": "user", "content": [{"type": "text", "text": "[Request interrupted by user]"}]}
        self.say("user", message=note, parent_tool_use_id=None, timestamp=stamp())
        self.result(started, subtype="error_during_execution", is_error=True, stop_reason=None,
                    terminal_reason="aborted_streaming", errors=["[ede_diagnostic] result_type=user"])  # fmt: skip

    def model_usage(self, calls: int) -> dict[str, Any]:
        spent = {"inputTokens": INPUT_TOKENS * calls, "outputTokens": OUTPUT_TOKENS * calls, "cacheReadInputTokens": 0,
                 "cacheCreationInputTokens": 0, "costUSD": PRICE_USD * calls, "contextWindow": 1000000}  # fmt: skip
        return {self.model: spent}

    # One call of the API, as lines.

    def answer(self, text: str, *, thought: str = "") -> str:
        """One assistant message of deltas and whole blocks; its words come one by one."""
        message_id = self.begin_call()
        if thought:
            self.block(message_id, 0, {"type": "thinking", "thinking": thought, "signature": "c2ln"}, "thinking")
        self.block(message_id, 1 if thought else 0, {"type": "text", "text": text}, "text")
        self.end_call("end_turn")
        return text

    def use_tool(self, command: str) -> str:
        """One assistant message that calls Bash; returns the id of the tool use."""
        message_id = self.begin_call()
        use_id = f"toolu_{uuid.uuid4().hex[:12]}"
        block = {"type": "tool_use", "id": use_id, "name": "Bash", "input": {"command": command, "description": "d"}}
        self.event("content_block_start", index=0, content_block={**block, "input": {}})
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        self.event("content_block_delta", index=0, delta=delta)
        self.assistant(message_id, block)
        self.event("content_block_stop", index=0)
        self.end_call("tool_use")
        return use_id

    def tool_result(self, use_id: str, content: str, *, is_error: bool = False) -> None:
        block = {"tool_use_id": use_id, "type": "tool_result", "content": content, "is_error": is_error}
        extra: Any = f"Error: {content}" if is_error else {"stdout": content, "stderr": "", "interrupted": False}
        self.say("user", message={"role": "user", "content": [block]}, parent_tool_use_id=None, timestamp=stamp(),
                 tool_use_result=extra)  # fmt: skip

    def begin_call(self) -> str:
        message_id = f"msg_{uuid.uuid4().hex[:12]}"
        self.say("system", subtype="status", status="requesting")
        message = {"id": message_id, "type": "message", "role": "assistant", "model": self.model, "content": [],
                   "stop_reason": None, "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1}}  # fmt: skip
        self.event("message_start", message=message)
        return message_id

    def end_call(self, stop_reason: str) -> None:
        self.event("message_delta", delta={"stop_reason": stop_reason}, usage={"output_tokens": OUTPUT_TOKENS})
        self.event("message_stop")
        self.calls += 1
        self.cost_usd += PRICE_USD

    def block(self, message_id: str, index: int, block: dict[str, Any], key: str) -> None:
        self.event("content_block_start", index=index, content_block={"type": key, key: ""})
        for piece in pieces(block[key]):
            self.event("content_block_delta", index=index, delta={"type": f"{key}_delta", key: piece})
        self.assistant(message_id, block)
        self.event("content_block_stop", index=index)

    def assistant(self, message_id: str, block: dict[str, Any], **fields: Any) -> None:
        message = {"id": message_id, "type": "message", "role": "assistant", "model": self.model, "content": [block],
                   "stop_reason": None, "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1}}  # fmt: skip
        self.say("assistant", **{"message": message, "parent_tool_use_id": None, "timestamp": stamp(), **fields})

    def event(self, kind: str, **fields: Any) -> None:
        self.say("stream_event", event={"type": kind, **fields}, parent_tool_use_id=None)

    def say(self, kind: str, **fields: Any) -> None:
        put(type=kind, **{"session_id": self.session_id, "uuid": str(uuid.uuid4()), **fields})

    # How a prompt is answered. Each returns the answer's text, or `None` when it wrote the result itself.

    def echo(self, prompt: str) -> str:
        return self.answer(f"Echo: {prompt}")

    def slow(self, _: str) -> str:
        message_id = self.begin_call()
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        text = ""
        try:
            for number in range(3000):
                text += f"w{number} "
                self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"w{number} "})
                self.attend(0.02)
        finally:
            self.assistant(message_id, {"type": "text", "text": text})
        self.event("content_block_stop", index=0)
        self.end_call("end_turn")
        return text

    def silent(self, _: str) -> str:
        while True:
            self.attend(60)

    def permission(self, words: str) -> str:
        command = f"echo {words}"
        use_id = self.use_tool(command)
        request_id = str(uuid.uuid4())
        given = {"command": command, "description": "d"}
        put(type="control_request", request_id=request_id,
            request={"subtype": "can_use_tool", "tool_name": "Bash", "display_name": "Bash", "input": given,
                     "description": "d", "permission_suggestions": [], "tool_use_id": use_id})  # fmt: skip
        try:
            while request_id not in self.answers:
                self.attend(60)
        except Interrupted:
            put(type="control_cancel_request", request_id=request_id)
            raise
        reply = self.answers.pop(request_id)
        decision = reply.get("response") or {}
        if decision.get("behavior") == "allow":
            ran = (decision.get("updatedInput") or given)["command"]
            self.tool_result(use_id, ran.removeprefix("echo "))
            return self.answer(f"It said: {ran.removeprefix('echo ')}")
        self.denials.append({"tool_name": "Bash", "tool_use_id": use_id, "tool_input": given})
        self.tool_result(use_id, decision.get("message") or f"Tool permission request failed: {reply}", is_error=True)
        if decision.get("interrupt"):
            raise Interrupted
        return self.answer("I was not allowed to.")

    def tool(self, words: str) -> str:
        self.tool_result(self.use_tool(f"echo {words}"), words)
        return self.answer(f"It said: {words}")

    def think(self, words: str) -> str:
        return self.answer(f"Echo: {words}", thought="Let me think about that.")

    def fail(self, _: str) -> None:
        text = "API Error: 529 overloaded_error: Overloaded"
        block = {"type": "text", "text": text}
        message = {"id": str(uuid.uuid4()), "role": "assistant", "model": "<synthetic>", "content": [block]}
        self.assistant("", block, message=message, error="server_error", is_api_error_message=True)
        self.result(time.monotonic(), is_error=True, result=text, api_error_status=529, stop_reason="stop_sequence")

    def count(self, _: str) -> str:
        return self.answer(f"Prompt {self.prompts} of this session.")

    def spawn(self, _: str) -> str:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(SLEEPER, start_new_session=True, **quiet)
        # The one in the middle ends at once, so that its child has left the tree.
        script = f"import subprocess; print(subprocess.Popen({SLEEPER!r}, start_new_session=True, stdout=-3).pid)"
        middle = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
        return self.answer(f"{child.pid} {middle.stdout.strip()}")

    def shell(self, command: str) -> str:
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        return self.answer(done.stdout.strip())

    def stderr(self, words: str) -> str:
        complain(words)
        return self.echo(words)

    def garbage(self, prompt: str) -> str:
        write(b"this is no JSON\n[1, 2, 3]\n\n")
        put(type="from_the_future", anything={"at": "all"})
        put(type="assistant", message="a shape that no one knows")
        write(b'{"type": "assist\xff\xfe\n')
        return self.echo(prompt)

    def long_line(self, _: str) -> str:
        self.tool_result(self.use_tool("cat big"), "x" * self.size)
        return self.answer("That was long.")

    def split_utf8(self, prompt: str) -> str:
        output.bytewise = True
        try:
            return self.answer(f"Echo: {prompt} é€😀")
        finally:
            output.bytewise = False

    def many_deltas(self, _: str) -> str:
        self.begin_call()
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        line = json.dumps({
            "type": "stream_event", "session_id": self.session_id, "parent_tool_use_id": None,
            "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two words "}},
            "uuid": str(uuid.uuid4()), "api_message_id": "msg_01ABCDEFGHJKLMNPQRSTUVWX",
        }).encode() + b"\n"  # fmt: skip
        for start in range(0, self.deltas, 1000):
            write(line * min(1000, self.deltas - start))
        self.event("content_block_stop", index=0)
        self.end_call("end_turn")
        return "two words " * min(self.deltas, 10)

    def die(self, _: str) -> str:
        self.begin_call()
        self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        self.event("content_block_delta", index=0, delta={"type": "text_delta", "text": "half an ans"})
        complain("fatal: the fake CLI fell over")
        os._exit(3)

    def die_mid_line(self, _: str) -> str:
        self.begin_call()
        write(b'{"type":"stream_event","event":{"type":"content_bl')
        os._exit(3)

    # What is kept between processes.

    def recall(self) -> bool:
        if self.folder is None or self.resumed is None:
            return True
        try:
            kept = json.loads((self.folder / f"{self.resumed}.json").read_text())
        except FileNotFoundError:
            error = f"No conversation found with session ID: {self.resumed}"
            self.result(time.monotonic(), subtype="error_during_execution", is_error=True, errors=[error])
            complain(error)
            return False
        self.prompts, self.calls, self.cost_usd = kept["prompts"], kept["calls"], kept["cost_usd"]
        return True

    def remember(self) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            kept = {"prompts": self.prompts, "calls": self.calls, "cost_usd": self.cost_usd}
            (self.folder / f"{self.session_id}.json").write_text(json.dumps(kept))


MANNERS = {
    "slow": FakeCLI.slow,
    "silent": FakeCLI.silent,
    "permission": FakeCLI.permission,
    "tool": FakeCLI.tool,
    "think": FakeCLI.think,
    "fail": FakeCLI.fail,
    "count": FakeCLI.count,
    "background": FakeCLI.echo,
    "spawn": FakeCLI.spawn,
    "shell": FakeCLI.shell,
    "stderr": FakeCLI.stderr,
    "garbage": FakeCLI.garbage,
    "long_line": FakeCLI.long_line,
    "split_utf8": FakeCLI.split_utf8,
    "deltas": FakeCLI.many_deltas,
    "die": FakeCLI.die,
    "die_mid_line": FakeCLI.die_mid_line,
    "exit_with_output": FakeCLI.echo,
}


def option(argv: list[str], name: str) -> str | None:
    """Return the value of `--name=value` or `--name value`."""
    for index, argument in enumerate(argv):
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
        if argument == name and index + 1 < len(argv):
            return argv[index + 1]
    return None


def text_of(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content.strip()
    return "".join(str(block.get("text", "")) for block in content if block.get("type") == "text").strip()


def pieces(text: str) -> list[str]:
    """Cut a text into words, each with the space that follows it."""
    words = text.split(" ")
    return [f"{word} " for word in words[:-1]] + [words[-1]]


def stamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def put(**message: Any) -> None:
    write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


class Output:
    """Standard output; `bytewise` makes every byte a write of its own."""

    bytewise = False

    def write(self, data: bytes) -> None:
        for piece in [data[i : i + 1] for i in range(len(data))] if self.bytewise else [data]:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


output = Output()
write = output.write


def complain(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def play_dead(*, stubborn: bool) -> int:
    if stubborn:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    complain("stubborn" if stubborn else "dead")
    for _ in sys.stdin.buffer:
        pass
    while stubborn:
        time.sleep(60)
    return 0


if __name__ == "__main__":
    if "--version" in sys.argv:
        sys.stdout.write(f"{VERSION} (Claude Code)\n")
        sys.exit(0)
    code = FakeCLI(sys.argv[1:], dict(os.environ)).run()
    sys.stdout.flush()
    os._exit(code)  # the thread that reads stdin does not let the interpreter end by itself
