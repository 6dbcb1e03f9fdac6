"""quarterlake: timestamped files in, trustworthy quarterly data sets out."""

__version__ = "0.1.0"
