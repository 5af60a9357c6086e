"""The demo: every stage and a small network, on clips that are made on the spot."""
