"""A trained network as a file that runs without mocrop: ONNX or TorchScript, from stored frames to probabilities."""
