"""Policies: ways to choose the crop box of a clip, most of them from its motion."""
