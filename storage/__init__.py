"""The memory: events in, columns kept, questions answered in SQL."""
