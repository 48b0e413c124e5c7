"""Why a CLI did not start, in words that say what to do."""

from __future__ import annotations

import errno
import os

from claude_magic.errors import ProcessError
from claude_magic.transport import Launch

_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def not_started(launch: Launch, error: OSError | ValueError) -> ProcessError:
    """Return the error for a program that the system could not start.

    Args:
        launch: what was to be started.
        error: what the system said.
    """
    program = launch.argv[0] if launch.argv else ""
    if not os.path.isdir(launch.working_dir):
        message = f"The working folder {launch.working_dir} does not exist or is no folder."
    elif isinstance(error, FileNotFoundError):
        message = f"There is no program {program}."
    elif isinstance(error, PermissionError):
        message = f"The program {program} may not be executed."
    else:
        message = f"The program {program} could not be started: {launch.redactor.text(str(error))}."
    failure = ProcessError(message)
    # A want of memory or of process slots may pass; the others stay until somebody mends them.
    failure.retryable = isinstance(error, OSError) and error.errno in _PASSING
    return failure
