"""Motion to boxes: the ways to choose a crop, and where a new one registers."""
