"""Checkpoint and cache to numbers: logits, metrics, intervals and paired tests."""
