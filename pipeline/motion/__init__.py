"""Vectors to motion: reading them, the camera, motion fields, and the store that keeps them."""
