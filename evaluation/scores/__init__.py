"""Scores of a checkpoint on a cache: logits, metrics, intervals and paired tests."""
