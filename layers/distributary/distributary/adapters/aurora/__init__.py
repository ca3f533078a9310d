"""The engine for Aurora PostgreSQL: the reading of its change stream, so far."""
