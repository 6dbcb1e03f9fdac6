"""A clean table, polluted in one way at a time, and how well a reader reads it all the same."""
