"""How much of an annotated actor each policy keeps."""
