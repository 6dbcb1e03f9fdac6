"""From raw bytes to curated months and builds."""
