"""A page to look at in a browser: clips as cards, a view of each, crops of several ways side by side; no server."""
