"""One prompt over many rows: `client.map`, `df.claude.map`, `%%claude --map`.

A map sends one prompt per row, each in a conversation of its own, and brings the answers back as columns. What was
paid for is in a database the moment it is there, so that a map can be stopped, killed, reordered and run again, and no
row is paid for twice. Several rows in one prompt are not offered: an answer that belongs to no single row cannot be
kept, retried or trusted row by row.
"""
