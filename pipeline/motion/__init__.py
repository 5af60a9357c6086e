"""Motion of clips: vectors, the camera, motion fields, and the store that keeps vectors and camera."""
