"""What the bytes of bitstreams and containers say, read without decoding and without FFmpeg."""
