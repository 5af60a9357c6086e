"""What this disk and this machine can feed."""
