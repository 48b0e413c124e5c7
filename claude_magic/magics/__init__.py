"""The magics: `%%claude` for prompts, `%claude` for everything else."""

from __future__ import annotations

from typing import Any


def load(shell: Any) -> None:
    """Register the magics with an IPython shell. Writes no file, starts nothing, grants no tool, prints nothing.

    Args:
        shell: the shell, as `load_ipython_extension` gets it.
    """
    from claude_magic.magics import completing, page_requests, transform
    from claude_magic.magics.claude import ClaudeMagics

    previous = shell.magics_manager.registry.get("ClaudeMagics")
    magics = previous or ClaudeMagics(shell=shell, parent=shell)
    if previous is None:
        shell.register_magics(magics)
        shell.events.register("post_run_cell", magics.after_cell)
        completing.install(shell, magics)
        page_requests.install(shell, lambda: magics.context)
    transform.install(shell)


def unload(shell: Any) -> None:
    """Close the sessions and take the magics out of the shell again."""
    from claude_magic.magics import completing, page_requests, transform

    completing.uninstall(shell)
    page_requests.uninstall(shell)
    transform.uninstall(shell)
    magics = shell.magics_manager.registry.pop("ClaudeMagics", None)
    if magics is None:
        return
    shell.events.unregister("post_run_cell", magics.after_cell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("claude", None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
    magics.close()
