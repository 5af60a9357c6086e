"""Reports of a training run: on the terminal, as curves, for TensorBoard."""
