"""What many tests share: the real CLIs on this machine, and an environment with nothing of the user in it."""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings
from rungs import RUNGS, is_above, rung_of

from claude_magic.cli.discovery import cli_version

# The default is what every run can bear; `make fuzz` takes the other one.
settings.register_profile("default", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell without job control starts background jobs with Ctrl-C ignored, `nohup` those that a closed terminal shall not
# end, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What outlives a kernel goes to a folder of its own, and never to the user's."""
    folder = tmp_path_factory.mktemp("state") / "claude-magic"
    monkeypatch.setenv("CLAUDE_MAGIC_STATE_DIR", str(folder))
    return folder


def _real_clis() -> list[Path]:
    """The CLI that `claude-agent-sdk` brings along, and those that CLAUDE_MAGIC_TEST_CLIS names."""
    spec = find_spec("claude_agent_sdk")
    assert spec is not None, "the tests need claude-agent-sdk, which brings a Claude CLI along"
    assert spec.origin is not None
    bundled = Path(spec.origin).parent / "_bundled" / ("claude.exe" if sys.platform == "win32" else "claude")
    named = [Path(entry) for entry in os.environ.get("CLAUDE_MAGIC_TEST_CLIS", "").split(os.pathsep) if entry]
    return list(dict.fromkeys([bundled, *named]))


def pytest_report_header() -> str:
    """Say which real CLIs are tested: the newest one is whatever `claude-agent-sdk` brings today."""
    return f"Claude CLIs: {', '.join(str(cli_version(path)) for path in _real_clis())}"


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what there is now: each shell that ends calls it, 0.3 s for all of it."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks mean."""
    for name, meaning in RUNGS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.addinivalue_line("markers", "newest_cli: what is tested does not depend on the version of the CLI")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import what the tests of higher rungs import, which takes seconds."""
    return is_above(collection_path, config.option.markexpr) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test with its rung."""
    item.add_marker(rung_of(item))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a real CLI on every one, or on the newest alone where the version does not matter."""
    if "cli_path" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("newest_cli") is not None
        clis = _real_clis()[: 1 if only else None]
        names = [f"{path.parent.name}-{path.name}" for path in clis]
        metafunc.parametrize("cli_path", clis, ids=names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def cli_path(request: pytest.FixtureRequest) -> Path:
    """A real CLI."""
    path: Path = request.param
    return path


@pytest.fixture
def cli_env(tmp_path: Path) -> dict[str, str]:
    """An environment for a CLI: a temporary home and temporary files, no credential, nothing of the user's."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "PATHEXT", "COMSPEC") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(temporary),
        "CLAUDE_CODE_TMPDIR": str(temporary),
        "IS_SANDBOX": "1",  # lets the CLI bypass permissions where the tests run as root
    }
