"""Trained backbone + video files -> answers: what `mocrop eval` would say of them, without workspace and cache."""
