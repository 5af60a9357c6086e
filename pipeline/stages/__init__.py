"""The stages, which workers run on units of clips: transcode, extract motion vectors, crop."""
