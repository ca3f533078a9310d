"""Use cases over ports; they return facts and leave logging and counting to their callers."""
