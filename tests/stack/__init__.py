"""The stack, with real containers; `make stack-test` runs these."""
