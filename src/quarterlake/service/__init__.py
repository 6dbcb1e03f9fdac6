"""The stages as HTTP services: one request is one run, its answer a stream of events."""
