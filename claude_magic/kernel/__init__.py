"""What Claude may do in this kernel: look at variables, run code, read and change cells.

`KernelTools` makes the tool server named `kernel` that a session is offered at its level. Looking answers on a worker
thread, from what `claude_magic.values` can tell without running anything of the user's. Code runs on the kernel's main
thread (`MainThread`), which waits in the cell, in a `ScratchPad` whose assignments are gone afterwards.
"""
