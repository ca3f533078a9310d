"""The rules of replication: pure values and decisions, without I/O, clock or randomness."""
