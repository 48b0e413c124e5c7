"""Cells run in a shell of this process."""

from shells import clis, make_shell, prompts, shell

__all__ = ["clis", "make_shell", "prompts", "shell"]
