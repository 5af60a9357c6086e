"""Reading one video file: open it, list its frames, decode and crop the chosen ones."""
