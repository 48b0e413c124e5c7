"""Answers without an account: the simulator of this kernel, switched on by the user's word only."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from claude_magic.background_loop import background_loop
from claude_magic.cli.account import is_logged_in
from claude_magic.cli.process import CHILDREN
from claude_magic.config import SimulatedAPI
from claude_magic.paths import private_temporary_dir

if TYPE_CHECKING:
    from claude_magic.simulator import Simulator

VARIABLE = "CLAUDE_MAGIC_SIMULATE"
"""`auto`: simulate if the CLI finds no credentials (`make lab` and `make demo` set it); `on`: simulate."""

WORDS = (
    "Simulated answers: no Claude account was found, so a simulator answers and no model is called. "
    "For real ones run `claude` in a terminal, type /login (or set ANTHROPIC_API_KEY), then `%claude simulate off`."
)


class Simulation:
    """The kernel's simulator: off until it is switched on.

    Args:
        close_sessions: closes the simulated sessions; called before the simulator goes away.
    """

    def __init__(self, close_sessions: Callable[[], object]) -> None:
        self._close_sessions = close_sessions
        self._simulator: Simulator | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._decided = False

    @property
    def endpoint(self) -> SimulatedAPI | None:
        """Where new sessions send their requests; `None` is the real API."""
        if self._simulator is None or self._folder is None:
            return None
        return SimulatedAPI(self._simulator.url, self._folder.name, self._simulator.key)

    def decide(self, account: Callable[[], dict[str, Any]]) -> str:
        """Follow `CLAUDE_MAGIC_SIMULATE`, once.

        Args:
            account: asks the CLI who is logged in.

        Returns:
            What the user must know; "" if nothing changed.
        """
        wish = os.environ.get(VARIABLE, "").lower()
        if self._decided or wish not in ("auto", "on"):
            return ""
        needed = wish == "on" or not is_logged_in(account())
        self._decided = True
        if not needed:
            return ""
        self.switch_on()
        return WORDS if wish == "auto" else "Simulated answers (CLAUDE_MAGIC_SIMULATE=on): no model is called."

    def switch_on(self, scenario: str | None = None) -> SimulatedAPI:
        """Start the simulator, or give the running one its scenario anew.

        Args:
            scenario: name or file of a scenario; the default one if not given.

        Returns:
            Where it listens, and the folder that takes the place of `~/.claude`.

        Raises:
            ValueError: there is no such scenario, or it is not valid.
        """
        from claude_magic.simulator import Simulator, new_key

        self._decided = True
        if self._simulator is None:
            self._simulator = Simulator(scenario, key=new_key()).start()
            self._folder = private_temporary_dir("claude-magic-simulated-")
            CHILDREN.register_folder(self._folder.name)  # a closed terminal ends us with no chance to remove it
            atexit.register(self.switch_off)
        else:
            self._simulator.say(scenario or "default")
        endpoint = self.endpoint
        assert endpoint is not None
        return endpoint

    def switch_off(self) -> None:
        """Stop the simulator and remove what simulated sessions left."""
        self._decided = True
        if self._simulator is not None:
            # At the interpreter's end the loop may have gone before us, and its sessions with it.
            if background_loop().is_running:
                self._close_sessions()
            atexit.unregister(self.switch_off)
            self._simulator.stop()
            self._simulator = None
        if self._folder is not None:
            self._folder.cleanup()
            CHILDREN.unregister_folder(self._folder.name)
            self._folder = None
