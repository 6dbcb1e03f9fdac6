"""Where bytes lie: stores, keys and Delta tables."""
