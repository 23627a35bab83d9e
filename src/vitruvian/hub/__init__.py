"""Files of published models: addresses, cache, downloads."""
