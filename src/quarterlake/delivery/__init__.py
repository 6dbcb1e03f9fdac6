"""Handing out releases: what is published, and URLs that give it."""
