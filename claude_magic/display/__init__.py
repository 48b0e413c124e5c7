"""A turn in a cell: what shows it while it runs, and who asks the person."""
