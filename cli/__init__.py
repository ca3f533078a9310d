"""The operator's `distributary` command; it is not deployed."""
