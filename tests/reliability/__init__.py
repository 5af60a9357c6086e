"""Storms of kills, full disks, flipped bits and other harm; `python -m tests.reliability` runs them at length."""
