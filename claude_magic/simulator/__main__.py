"""`python -m claude_magic.simulator` is `claude-magic simulate`."""

from claude_magic.simulator.cli import main

raise SystemExit(main())
