"""Rules on the stack: what is deployed is what the design promises."""
