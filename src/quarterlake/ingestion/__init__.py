"""Landing source files in the raw zone."""
