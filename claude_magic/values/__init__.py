"""Python values in words, tables and pictures: what Claude is shown of them. Nothing here knows a notebook."""
