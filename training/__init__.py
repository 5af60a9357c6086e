"""Crop cache to trained backbone.

::

    from mocrop.training import CropDataset, CropLoader, TrainSettings, train

    data = CropDataset.from_cache("mocrop-work/caches/motion-192.zarr", split=1, subset="train")
    for batch in CropLoader(data, batch_size=32, shuffle=True):
        batch.frames, batch.labels  # uint8 (32, 3, 3, 192, 192), int64 (32,)

What is offered here is stable within a minor version; modules below may change in any.
"""

from typing import TYPE_CHECKING

from mocrop.pipeline.lazy import lazy_exports

if TYPE_CHECKING:
    from mocrop.training.data.dataset import CropDataset as CropDataset
    from mocrop.training.data.inputs import normalise as normalise
    from mocrop.training.data.inputs import to_video as to_video
    from mocrop.training.data.loader import CropLoader as CropLoader
    from mocrop.training.data.selection import Subset as Subset
    from mocrop.training.data.selection import select_clips as select_clips
    from mocrop.training.loop.train import train as train
    from mocrop.training.recipe import TrainSettings as TrainSettings

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CropDataset": "data.dataset",
        "CropLoader": "data.loader",
        "Subset": "data.selection",
        "TrainSettings": "recipe",
        "normalise": "data.inputs",
        "select_clips": "data.selection",
        "to_video": "data.inputs",
        "train": "loop.train",
    },
)
