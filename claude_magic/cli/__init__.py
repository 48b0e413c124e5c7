"""The external program: finding it, starting and ending it, and what goes between it and us."""
