"""Pictures and videos of clips, with motion vectors, density maps and crop boxes."""
