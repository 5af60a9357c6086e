"""Video files to crop cache: clips, stages, and the runner that applies them. Never imports torch."""
