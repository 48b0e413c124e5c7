"""A stand-in for the Anthropic Messages API on loopback: the real Claude CLI runs against it with no account.

In short:

    with Simulator(Scenario(rules=[rule("hello", text("Hello!"))]), pace=0) as simulator:
        ...  # run the CLI with ANTHROPIC_BASE_URL=simulator.url and ANTHROPIC_API_KEY=simulator.key

Use no other credential, a `CLAUDE_CONFIG_DIR` of its own and `--setting-sources=`: settings of the user or of the
folder may name another address, and they win over the environment.
"""

from claude_magic.simulator.failures import FAILURES, Failure
from claude_magic.simulator.loading import load_scenario, parse_scenario, scenario_names
from claude_magic.simulator.request_log import RecordedRequest
from claude_magic.simulator.scenario import (
    Pace,
    Rule,
    Scenario,
    Step,
    Usage,
    fail,
    rule,
    step,
    text,
    thinking,
    tool,
)
from claude_magic.simulator.server import Simulator, new_key

__all__ = [
    "FAILURES",
    "Failure",
    "Pace",
    "RecordedRequest",
    "Rule",
    "Scenario",
    "Simulator",
    "Step",
    "Usage",
    "fail",
    "load_scenario",
    "new_key",
    "parse_scenario",
    "rule",
    "scenario_names",
    "step",
    "text",
    "thinking",
    "tool",
]
