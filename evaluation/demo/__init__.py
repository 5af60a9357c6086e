"""All of it on clips that are made on the spot."""
