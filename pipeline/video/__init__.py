"""Read one video file: open it, count its frames, decode and crop the chosen ones."""
