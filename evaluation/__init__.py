"""Trained backbone and crop cache to numbers, tables and pictures."""
