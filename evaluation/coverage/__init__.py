"""How much of the annotated actor each policy's crop keeps."""
