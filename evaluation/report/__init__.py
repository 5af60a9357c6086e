"""Scores as people read them: the terminal, Markdown, CSV and pictures."""
