"""Gates, builds, releases."""
