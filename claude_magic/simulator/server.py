"""A stand-in for the Messages API on loopback, so that the real CLI runs with no account."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tornado.httpserver import HTTPServer

from claude_magic.simulator.handlers import Stage, make_application
from claude_magic.simulator.loading import load_scenario
from claude_magic.simulator.request_log import RecordedRequest, RequestLog
from claude_magic.simulator.scenario import Scenario
from claude_magic.simulator.script import Script

__all__ = ["Simulator"]

_HOST = "127.0.0.1"
ANY_KEY = "sk-ant-simulated"
"""Will do for a simulator without a key of its own; it is a key of nothing else."""
_MAX_BODY_BYTES = 256_000_000
_STOP_TIMEOUT_S = 5.0


class Simulator:
    """Serves a scenario on 127.0.0.1, on an event loop in a daemon thread of its own.

        with Simulator("default") as simulator:
            run_the_cli(base_url=simulator.url, api_key=simulator.key)
            print(simulator.requests[-1].prompt)

    `scenario` is a `Scenario`, the name of one that ships with the package, the path of a TOML file, or None for the
    default one. `port` 0 takes a free one. Every pause of the scenario is multiplied by `pace`: 0 answers at once,
    2 is half as fast. `key` is the API key that its clients must bring, such as `new_key()`, so that no other
    program of this machine is answered; without one, any key will do. All methods may be called from any thread.

    Raises ValueError for a scenario that cannot be read, a negative pace and a port that is none.
    """

    def __init__(
        self, scenario: Scenario | str | Path | None = None, *, port: int = 0, pace: float = 1.0, key: str | None = None
    ) -> None:
        if pace < 0:
            raise ValueError(f"pace = {pace} is negative; write 0 for no pauses or a number above")
        if not 0 <= port <= 65535:
            raise ValueError(f"port = {port} is not a port number; write 1 to 65535, or 0 for a free one")
        self._requests = RequestLog()
        self._stage = Stage(Script(_scenario(scenario)), self._requests, pace, key)
        self._wanted_port = port
        self._changing = threading.Lock()
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        running = self._running
        where = f"at {running.url}" if running else "stopped"
        return f"<Simulator {self.scenario.name!r} {where}, {self.request_count} requests>"

    def start(self) -> Self:
        """Bind the port and serve. Does nothing if it is serving already. Raises OSError for a port in use."""
        with self._changing:
            if self._running is None:
                self._running = _Running(self._stage, self._wanted_port)
        return self

    def stop(self) -> None:
        """Close the port and every connection, end open answers. Does nothing if it is not serving."""
        with self._changing:
            running, self._running = self._running, None
            if running is not None:
                running.stop()

    @property
    def url(self) -> str:
        """What ANTHROPIC_BASE_URL has to be, without a slash at the end. Raises RuntimeError if it is not serving."""
        running = self._running
        if running is None:
            raise RuntimeError("the simulator is not running; call start() or use it in a with block")
        return running.url

    @property
    def key(self) -> str:
        """What ANTHROPIC_API_KEY, or a bearer token, has to be. It opens nothing but this simulator."""
        return self._stage.key or ANY_KEY

    @property
    def running(self) -> bool:
        """Whether it is serving now."""
        return self._running is not None

    @property
    def scenario(self) -> Scenario:
        """The scenario that is played now."""
        return self._stage.script.scenario

    def say(self, scenario: Scenario | str | Path) -> None:
        """Play another scenario from the next request on, all its `times` unused. Raises ValueError as the class."""
        self._stage.script = Script(_scenario(scenario))

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests (at most 1000), oldest first."""
        return self._requests.snapshot()

    @property
    def request_count(self) -> int:
        """How many requests came since the simulator was made."""
        return self._requests.count

    def wait_for_request(
        self, wanted: Callable[[RecordedRequest], bool] | str, timeout_s: float = 10.0
    ) -> RecordedRequest:
        """The first request that is `wanted` (a function, or text in its prompt), waiting until it comes.

        Raises TimeoutError after `timeout_s` seconds.
        """
        if isinstance(wanted, str):
            words = wanted
            return self._requests.wait(lambda request: words in request.prompt, timeout_s)
        return self._requests.wait(wanted, timeout_s)

    def wait_until_idle(self, timeout_s: float = 10.0) -> None:
        """Wait until no answer is being sent, for instance until an interrupted client has hung up.

        Raises TimeoutError after `timeout_s` seconds.
        """
        if not self._stage.wait_until_idle(timeout_s):
            raise TimeoutError(f"an answer is still being sent after {timeout_s:g} s")

    @staticmethod
    def refused_url() -> str:
        """A loopback address without a listener: a connection to it is refused."""
        with socket.create_server((_HOST, 0)) as free:
            return f"http://{_HOST}:{free.getsockname()[1]}"


class _Running:
    """One thread with one loop and one server, from bind to close."""

    def __init__(self, stage: Stage, port: int) -> None:
        self._stage = stage
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self._socket.setblocking(False)
        self.url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="claude-magic-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise RuntimeError("the simulator's event loop did not start") from self._error

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the simulator's thread did not end within {_STOP_TIMEOUT_S:g} s")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._socket.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        application = make_application(self._stage)
        server = HTTPServer(application, max_body_size=_MAX_BODY_BYTES, max_buffer_size=_MAX_BODY_BYTES)
        server.add_socket(self._socket)
        self._ready.set()
        await self._stopping.wait()
        server.stop()
        self._stage.give_up()
        await server.close_all_connections()


def new_key() -> str:
    """Return a key that no one can guess; it opens nothing but the simulator it is given to."""
    return f"sk-ant-simulated-{secrets.token_hex(16)}"


def _scenario(source: Scenario | str | Path | None) -> Scenario:
    return source if isinstance(source, Scenario) else load_scenario("default" if source is None else source)
