"""Print the oldest version of each dependency that pyproject.toml allows, as requirements for `make floor`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def floors(project: dict[str, object]) -> list[str]:
    """Return `name==version` for each dependency that has a lower bound, that of the extra `plots` included.

    Args:
        project: the content of pyproject.toml.
    """
    table = project["project"]
    assert isinstance(table, dict)
    wanted = [*table["dependencies"], *table["optional-dependencies"]["plots"]]
    matches = (re.match(r"([A-Za-z0-9_.-]+)(?:\[.*?\])?>=([\w.]+)", entry) for entry in wanted)
    return [f"{match[1]}=={match[2]}" for match in matches if match is not None]


if __name__ == "__main__":
    sys.stdout.write("\n".join(floors(tomllib.loads(PROJECT.read_text(encoding="utf-8")))) + "\n")
