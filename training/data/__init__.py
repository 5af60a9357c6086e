"""Crop cache to batches: data set, loader, augmentation, features of a frozen backbone."""
