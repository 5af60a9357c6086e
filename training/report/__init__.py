"""What a training run shows: the terminal, curves, TensorBoard."""
