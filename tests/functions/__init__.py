"""Each handler with each file of events/."""
