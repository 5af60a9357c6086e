"""Makers of odd video files whose pictures carry their numbers, and the comparison with the ffmpeg program."""
