"""Print what pyproject.toml says the package needs, as requirements for pip.

requirements.py             every dependency, those of all extras included
requirements.py --oldest    the oldest version of each dependency that has a lower bound, the extra `plots` included
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements(project: dict[str, object], *, oldest: bool) -> list[str]:
    """Return the dependencies as they are written, or `name==version` with the oldest version.

    Args:
        project: the content of pyproject.toml.
        oldest: the oldest version of each, of the extra `plots` and no other.
    """
    table = project["project"]
    assert isinstance(table, dict)
    extras = table["optional-dependencies"]
    if not oldest:
        return [*table["dependencies"], *(entry for extra in extras.values() for entry in extra)]
    wanted = [*table["dependencies"], *extras["plots"]]
    matches = (re.match(r"([A-Za-z0-9_.-]+)(?:\[.*?\])?>=([\w.]+)", entry) for entry in wanted)
    return [f"{match[1]}=={match[2]}" for match in matches if match is not None]


if __name__ == "__main__":
    content = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(requirements(content, oldest="--oldest" in sys.argv)) + "\n")
