"""Video files to crop cache.

::

    from mocrop.pipeline import CropCache, init, run_all

    init("mocrop-work", "UCF-101", splits="ucfTrainTestlist")
    run_all("mocrop-work", size=192)
    CropCache("mocrop-work/caches/motion-192.zarr").box  # float32, (clips, 4)

What is offered here is stable within a minor version; modules below may change in any.
"""

from typing import TYPE_CHECKING

from mocrop.pipeline.lazy import lazy_exports

if TYPE_CHECKING:
    from mocrop.pipeline.cache.crop_cache import CropCache as CropCache
    from mocrop.pipeline.commands.export import export_crops as export_crops
    from mocrop.pipeline.commands.preprocess import extract_mv as extract_mv
    from mocrop.pipeline.commands.preprocess import init as init
    from mocrop.pipeline.commands.preprocess import precrop as precrop
    from mocrop.pipeline.commands.preprocess import run_all as run_all
    from mocrop.pipeline.commands.preprocess import transcode as transcode
    from mocrop.pipeline.commands.transfer import pull as pull
    from mocrop.pipeline.commands.transfer import push as push
    from mocrop.pipeline.errors import MocropError as MocropError
    from mocrop.pipeline.run.session import RunOptions as RunOptions
    from mocrop.pipeline.run.tls import TlsFiles as TlsFiles
    from mocrop.pipeline.workspace.paths import Workspace as Workspace

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CropCache": "cache.crop_cache",
        "MocropError": "errors",
        "RunOptions": "run.session",
        "TlsFiles": "run.tls",
        "Workspace": "workspace.paths",
        "export_crops": "commands.export",
        **dict.fromkeys(("pull", "push"), "commands.transfer"),
        **dict.fromkeys(("extract_mv", "init", "precrop", "run_all", "transcode"), "commands.preprocess"),
    },
)
