"""Clips, vectors, maps and boxes as pictures and videos."""
