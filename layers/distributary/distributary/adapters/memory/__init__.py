"""In-memory twins of the real services, with their semantics, for tests and the simulator."""
