"""Reports of scores: on the terminal, in Markdown, CSV, JSON and pictures."""
