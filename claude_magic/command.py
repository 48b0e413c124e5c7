"""From a configuration to a command: find the CLI, write its arguments and its environment.

Everything here may read files and run `claude --version`; call it from a worker thread.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from claude_magic.config import SETTING_SOURCES, RetryPolicy, SessionConfig
from claude_magic.errors import CLINotFoundError, ProcessError
from claude_magic.redaction import Redactor, redactor_for
from claude_magic.transport import Launch
from claude_magic.trust import MCP_FILE, PROMPT_FOLDERS, SETTINGS_FILES, TrustDecision, config_dir, examine_folder, home_dir

OWNER_VARIABLE = "CLAUDE_MAGIC_OWNER"
"""Marks a CLI and everything it starts, so that all of it can be found and ended."""
