"""The live view: what the kernel tells the page, and what the page may tell the kernel."""
