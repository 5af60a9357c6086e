"""The crop cache, a Zarr store: its arrays, how it is written, read and checked."""
