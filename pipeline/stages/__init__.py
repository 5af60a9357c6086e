"""What workers do to a run of clips: transcode, extract motion vectors, crop."""
