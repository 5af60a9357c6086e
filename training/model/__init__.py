"""Backbones, their weights and checkpoints, and the device they run on."""
