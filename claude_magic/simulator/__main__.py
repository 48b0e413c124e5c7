"""`python -m claude_magic.simulator` is `claude-magic simulate`."""

from claude_magic.simulator.command_line import main

raise SystemExit(main())
