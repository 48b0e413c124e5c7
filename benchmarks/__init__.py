"""Side-by-side measurements of claude_magic: `python -m benchmarks [NAME ...]`.

Each benchmark measures its alternatives in one run, turn by turn, and reports medians and ratios between them. Only
the ratios mean something on another machine, and no benchmark fails on a time.
"""
