"""Crop cache to trained backbone: data sets, loaders, backbones, the training loop."""
