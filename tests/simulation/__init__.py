"""Production services over in-memory replicas, under one seeded scheduler that owns time and every choice."""
