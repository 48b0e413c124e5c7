"""The simulator over HTTP: streams, failures, recording, starting and stopping."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from simulator_support import KEY, ask, connect, message, request

from claude_magic.simulator import FAILURES, Scenario, Simulator, fail, new_key, rule, step, text, tool
from claude_magic.simulator.failures import How
from claude_magic.simulator.request_log import MAX_REQUESTS, RecordedRequest, RequestLog

Play = Callable[..., Simulator]

BROKEN = (ConnectionResetError, http.client.IncompleteRead, http.client.RemoteDisconnected)


def test_a_stream_and_a_plain_answer_say_the_same(play: Play) -> None:
    """The same step, once as events and once as one JSON object."""
    simulator = play(rule("hello", text("Hello, {prompt}!")))

    streamed, plain = ask(simulator), ask(simulator, stream=False)

    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.headers["request-id"].startswith("req_sim_")
    assert streamed.text == plain.json["content"][0]["text"] == "Hello, hello!"
    assert plain.json["model"] == streamed.events[0]["message"]["model"] == "claude-test"
    assert plain.json["usage"] == streamed.events[-2]["usage"]


def test_extra_headers_are_sent(play: Play) -> None:
    """For rate-limit headers on a good answer."""
    simulator = play(rule("hello", step(text("x"), headers={"anthropic-ratelimit-unified-status": "allowed"})))

    assert ask(simulator).headers["anthropic-ratelimit-unified-status"] == "allowed"


def test_a_long_answer_arrives_whole_at_once_and_in_small_steps(play: Play) -> None:
    """Large pieces without pauses, single chunks with them, the same text."""
    words = "many words " * 5000
    assert ask(play(rule("hello", text(words)))).text == words
    assert ask(play(rule("hello", step(text(words[:500]), chunk_delay_s=0.0001)), pace=1)).text == words[:500]


@pytest.mark.parametrize("failure", [f for f in FAILURES.values() if f.how is How.ANSWER], ids=lambda f: f.name)
def test_an_http_failure_has_status_body_and_headers(play: Play, failure: Any) -> None:
    """The API's error object and its headers, streaming or not."""
    simulator = play(rule("hello", fail(failure.name)))

    for reply in (ask(simulator), ask(simulator, stream=False)):
        assert reply.status == failure.status
        if failure.html:
            assert reply.raw.startswith(b"<html>")
        else:
            assert reply.json["type"] == "error"
            assert reply.json["error"] == {"type": failure.error_type, "message": failure.message}
            assert reply.json["request_id"] == reply.headers["request-id"]
        assert set(failure.headers) <= set(reply.headers)
        assert reply.headers.get("retry-after") == (f"{failure.retry_after_s:g}" if failure.retry_after_s else None)


def test_a_failure_can_be_worded_and_timed(play: Play) -> None:
    """Message and waiting time of the step replace those of the table."""
    reply = ask(play(rule("hello", fail("429_rejected", message="enough", retry_after_s=60))))

    assert reply.json["error"]["message"] == "enough"
    assert reply.headers["retry-after"] == "60"
    assert int(reply.headers["anthropic-ratelimit-unified-reset"]) > 1_700_000_000


def test_reset_drops_the_connection_before_any_header(play: Play) -> None:
    """No status line at all."""
    with pytest.raises(BROKEN):
        ask(play(rule("hello", fail("reset"))))


def test_reset_mid_drops_the_connection_after_a_part(play: Play) -> None:
    """The first block is complete, the second is not, and then the connection is gone."""
    connection = open_stream(play(rule("hello", fail("reset_mid"))))
    with connection, pytest.raises(BROKEN):
        connection.read_on()

    assert connection.seen.count(b"event: content_block_stop") == 1
    assert b"event: message_stop" not in connection.seen


@pytest.mark.parametrize(
    ("name", "end"),
    [("eof_mid", b"event: content_block_delta"), ("sse_error", b"event: error"), ("malformed", b'"index":0,"del\n\n')],
)
def test_a_damaged_stream_ends_in_good_order_but_unfinished(play: Play, name: str, end: bytes) -> None:
    """HTTP is fine, the message is not."""
    reply = ask(play(rule("hello", fail(name, text("whole"), text("this one is cut in the middle of it")))))

    assert reply.status == 200
    assert b"whole" in reply.raw
    assert b"message_stop" not in reply.raw
    assert end in reply.raw[-400:]


def test_an_empty_stream_has_no_event(play: Play) -> None:
    """Status 200 and nothing."""
    reply = ask(play(rule("hello", fail("empty_stream"))))

    assert (reply.status, reply.raw) == (200, b"")


@pytest.mark.parametrize("name", ["eof_mid", "empty_stream", "reset_mid"])
def test_stream_damage_spares_the_second_try(play: Play, name: str) -> None:
    """A request without streaming gets an answer: the step's blocks, or a word about the damage."""
    assert (
        ask(play(rule("hello", fail(name, text("all of it")))), stream=False).json["content"][0]["text"] == "all of it"
    )
    assert "second try" in ask(play(rule("hello", fail(name))), stream=False).json["content"][0]["text"]


@pytest.mark.parametrize("name", ["stall", "stall_before"])
def test_a_stall_ends_when_the_simulator_stops(play: Play, name: str) -> None:
    """Stopping is prompt, and the client sees the connection close."""
    simulator = play(rule("hello", fail(name)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, simulator)
        simulator.wait_for_request("hello")
        simulator.stop()

        with pytest.raises(BROKEN):
            waiting.result(timeout=5)


def test_a_stall_ends_when_the_client_goes_away(play: Play) -> None:
    """Nothing of it is kept."""
    simulator = play(rule("stall", fail("stall")), rule("hello", text("still here")))
    with open_stream(simulator, "stall") as connection:
        assert connection.response.readline()
    simulator.wait_until_idle()

    assert ask(simulator).text == "still here"


def test_an_unknown_failure_name_lists_the_known_ones(play: Play) -> None:
    """A prompt that names a failure can be mistyped."""
    simulator = play(rule(r"fail (\w+)", fail("{match_1}")))

    assert ask(simulator, "fail 529").status == 529
    assert "`429_retry_after`" in ask(simulator, "fail 528").text


def test_times_lets_the_next_rule_answer(play: Play) -> None:
    """Twice busy, then well."""
    simulator = play(rule("hello", fail("529"), times=2), rule("hello", text("ok")))

    assert [ask(simulator).status for _ in range(3)] == [529, 529, 200]


def test_token_count_and_unknown_paths(play: Play) -> None:
    """A number, and the API's error object with 404; neither consumes anything."""
    simulator = play(rule("hello", text("ok"), times=1))

    counted = request(simulator.url, "POST", "/v1/messages/count_tokens?beta=true", message())
    unknown = request(simulator.url, "GET", "/v1/models")
    head = request(simulator.url, "HEAD", "/")

    assert counted.json["input_tokens"] > 0
    assert (unknown.status, unknown.json["error"]["type"]) == (404, "not_found_error")
    assert (head.status, head.raw) == (404, b"")
    assert ask(simulator).text == "ok"


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_body_that_is_no_object_is_refused(play: Play, path: str, body: bytes) -> None:
    """In the API's own words."""
    reply = request(play().url, "POST", path, body)

    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


def test_requests_are_recorded_with_credentials_masked(play: Play) -> None:
    """What the tests of others look at."""
    simulator = play(rule("hello", text("ok"), name="greeting"))
    headers = {"x-api-key": KEY, "Authorization": "Bearer secret", "X-Other": "kept"}
    request(simulator.url, "POST", "/v1/messages?beta=true", message(), headers)

    (recorded,) = simulator.requests

    assert (recorded.method, recorded.path, recorded.model) == ("POST", "/v1/messages?beta=true", "claude-test")
    assert (recorded.prompt, recorded.rule) == ("hello", "greeting")
    assert recorded.body["messages"][0]["content"] == "hello"
    assert recorded.headers["x-api-key"] == "[masked]"
    assert recorded.headers["authorization"] == "Bearer [masked]"
    assert recorded.headers["x-other"] == "kept"
    assert "secret" not in repr(recorded)


def test_the_record_is_bounded_and_counts_on() -> None:
    """By number and by bytes."""
    log = RequestLog()
    for number in range(MAX_REQUESTS + 5):
        log.add(RecordedRequest(time=number, method="GET", path="/", headers={}))
    assert (len(log.snapshot()), log.count) == (MAX_REQUESTS, MAX_REQUESTS + 5)
    assert log.snapshot()[0].time == 5

    for _ in range(3):
        log.add(RecordedRequest(time=0, method="GET", path="/", headers={}, raw=bytes(40_000_000)))
    assert len(log.snapshot()) == 1


def test_waiting_for_an_answer_that_does_not_end(play: Play) -> None:
    """A plain TimeoutError, too."""
    simulator = play(rule("hello", fail("stall")))
    with open_stream(simulator), pytest.raises(TimeoutError, match="still being sent"):
        simulator.wait_until_idle(timeout_s=0)


def test_waiting_for_a_request_that_does_not_come(play: Play) -> None:
    """A plain TimeoutError."""
    with pytest.raises(TimeoutError, match="0 requests so far"):
        play().wait_for_request("never", timeout_s=0)


def test_another_scenario_can_be_played_at_any_time(play: Play) -> None:
    """From the next request on."""
    simulator = play(rule("hello", text("one")))
    assert ask(simulator).text == "one"

    simulator.say(Scenario(rules=[rule("hello", text("two"))]))

    assert ask(simulator).text == "two"
    with pytest.raises(ValueError, match="cannot be read"):
        simulator.say("no-such-scenario")


def test_tools_of_many_conversations_do_not_mix(play: Play) -> None:
    """Twenty turns at once from twenty threads, each with its own second step."""
    simulator = play(*(rule(f"^n{n}$", tool("Bash", command=str(n)), text(f"end {n}"), times=1) for n in range(20)))

    def turn(number: int) -> str:
        first = ask(simulator, f"n{number}", stream=False).json["content"]
        result = {"type": "tool_result", "tool_use_id": first[0]["id"], "content": "x"}
        messages = [*message(f"n{number}")["messages"], {"role": "assistant", "content": first}]
        return ask(simulator, "", messages=[*messages, {"role": "user", "content": [result]}]).text

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(turn, range(20))) == [f"end {number}" for number in range(20)]
    assert simulator.request_count == 40


def test_it_can_be_started_and_stopped_again_and_again() -> None:
    """Twice is once; a stopped one has no address; the next start serves again."""
    simulator = Simulator(Scenario(), key=KEY)
    simulator.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url
    for _ in range(3):
        url = simulator.start().url
        assert simulator.start().url == url
        assert "at http://127.0.0.1:" in repr(simulator)
        assert ask(simulator).status == 200
        simulator.stop()
        assert not simulator.running
        with pytest.raises(ConnectionRefusedError):
            request(url, "GET", "/")


def test_stopping_leaves_no_thread_behind() -> None:
    """Also when connections are open."""
    simulator = Simulator(Scenario(), key=KEY).start()
    with open_stream(simulator):
        simulator.stop()

    assert "claude-magic-simulator" not in [thread.name for thread in threading.enumerate()]


def test_a_port_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    """The operating system's own error."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Simulator(Scenario(), port=taken.getsockname()[1]).start()


def test_bad_arguments_are_refused_at_once() -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match="pace = -1 is negative"):
        Simulator(Scenario(), pace=-1)
    with pytest.raises(ValueError, match="port = 70000 is not a port"):
        Simulator(Scenario(), port=70000)
    with pytest.raises(ValueError, match="cannot be read"):
        Simulator("no-such-scenario")


def test_nobody_listens_at_the_refused_address() -> None:
    """Every connection to it is refused."""
    with pytest.raises(ConnectionRefusedError):
        request(Simulator.refused_url(), "GET", "/")


class OpenStream:
    """A response whose headers have come and whose body is being read."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.response = connection.getresponse()
        self.seen = b""

    def read_on(self) -> None:
        """Read to the end, keeping what came even if it breaks off."""
        while line := self.response.readline():
            self.seen += line

    def __enter__(self) -> OpenStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.response.close()
        self.connection.close()


def open_stream(simulator: Simulator, prompt: str = "hello") -> OpenStream:
    connection = connect(simulator.url)
    connection.request("POST", "/v1/messages", json.dumps(message(prompt)), {"x-api-key": KEY})
    return OpenStream(connection)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8888"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "sk-ant-simulated-not-this-one"}, 401),
        ({"x-api-key": "", "Authorization": f"Bearer {KEY}"}, 200),
        ({"x-api-key": "", "Authorization": "Bearer é"}, 401),
    ],
)
def test_simulator_answers_who_has_its_key(play: Play, headers: dict[str, str], status: int) -> None:
    """A stranger's page, a name of another host and a program without the key get nothing, and nothing is kept."""
    simulator = play(rule(None, text("x")))
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}

    assert request(simulator.url, "POST", "/v1/messages", body, headers).status == status
    assert len(simulator.requests) == (status == 200)


@pytest.mark.parametrize(("headers", "status"), [({"x-api-key": "sk-ant-any"}, 200), ({"x-api-key": ""}, 401)])
def test_simulator_without_a_key_answers_any_key(headers: dict[str, str], status: int) -> None:
    """So that a program names only its address; without any key nothing is answered."""
    with Simulator(Scenario(rules=[rule(None, text("hi"))]), pace=0) as simulator:
        connection = connect(simulator.url)
        connection.request("POST", "/v1/messages", json.dumps(message("x")), headers)
        assert connection.getresponse().status == status
        connection.close()


def test_kernels_simulator_has_a_key_of_its_own() -> None:
    """Each another one; other programs of this machine do not know it."""
    assert new_key() != new_key()
    assert Simulator(Scenario(), key=(key := new_key())).key == key
