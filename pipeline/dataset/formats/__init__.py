"""The forms in which data sets come: one module each, listed in registry.py."""
