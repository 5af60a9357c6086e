"""CPU time of all preprocessing, from videos to a crop cache, against the ffmpeg program that only transcodes.

Also the bytes of a clip on the disk, by kind of file.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import arguments, choose_clips, interleave, report, save_table
from precrop import new_cache, require, units
from precrop import ours as precrop
from transcode import ffmpeg

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.motion.store import CLIPS_PER_SHARD
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import CLIPS_PER_TRANSCODE_UNIT
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

Tasks = tuple[ClipTask, ...]
Facts = dict[str, Any]
PEER = "ffmpeg, transcoding alone"


def transcode(tasks: Tasks, workspace: Workspace) -> None:
    for unit in units(tasks, CLIPS_PER_TRANSCODE_UNIT):
        require(transcode_unit(unit, TranscodeSettings(), str(workspace.root)))


def extract(tasks: Tasks, workspace: Workspace, *, source: str) -> None:
    for unit in units(tasks, CLIPS_PER_SHARD):
        require(extract_unit(unit, ExtractSettings(source=source), str(workspace.root)))


def disk_facts(clips: list[Path], workspace: Workspace, settings: PrecropSettings) -> Facts:
    """Means of a clip: its frames and their pixels, and bytes of its files by kind."""
    cache, count = CropCache(workspace.cache(settings.name)), len(clips)
    cached_frames = float(np.sum(cache.frame_counts)) / count
    sizes = [picture_size(clip) for clip in clips]
    return {
        "source": settings.source,
        "frames": sum(frames for frames, _ in sizes) / count,
        "pixels": sum(frames * pixels for frames, pixels in sizes) / count,
        "original": sum(clip.stat().st_size for clip in clips) / count,
        "h264": folder_bytes(workspace.h264) / count,
        "motion": folder_bytes(workspace.motion) / count,
        "cache": folder_bytes(cache.path) / count,
        "cached frames": cached_frames,
        "slots": settings.frames,
        "frame bytes": 3 * settings.size**2,
    }


def picture_size(clip: Path) -> tuple[int, int]:
    """Number of frames, and pixels of one."""
    with open_container(clip) as container:
        stream = container.streams.video[0]
        return stream.frames, stream.width * stream.height


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def disk_table(found: list[Facts]) -> list[list[str]]:
    kinds = ("original", "h264", "motion", "cache")
    return [
        [
            f"--source {facts['source']}",
            *(f"{facts[kind] / 1e3:,.0f}" for kind in kinds),
            f"{facts['cached frames']:.1f}",
        ]
        for facts in found
    ]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, default=192, help="side of the stored frames, pixels")
    options = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        raise SystemExit("this benchmark compares with the ffmpeg program, which is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        tasks = tuple(ClipTask(position=n, name=f"A/{n:04d}", path=str(clip)) for n, clip in enumerate(clips))
        through, direct = Workspace(folder / "through"), Workspace(folder / "direct")
        settings = {
            place: PrecropSettings(name="motion", size=options.size, source=source)
            for place, source in ((through, "h264"), (direct, "original"))
        }
        for place, wanted in settings.items():
            place.root.mkdir()
            new_cache(wanted, tasks, place)
        (folder / "ffmpeg").mkdir()

        def by_h264() -> None:
            transcode(tasks, through)
            extract(tasks, through, source="h264")

        def all_by_h264() -> None:
            by_h264()
            precrop(tasks, settings[through], through)

        def from_originals() -> None:
            extract(tasks, direct, source="original")

        def all_from_originals() -> None:
            from_originals()
            precrop(tasks, settings[direct], direct)

        cases = {
            "all stages": all_by_h264,
            "all stages, --source original": all_from_originals,
            "vectors: transcode, extract-mv": by_h264,
            "vectors: --source original": from_originals,
            PEER: lambda: ffmpeg(clips, folder / "ffmpeg"),
        }
        seconds = interleave(cases, rounds=options.rounds)
        report(f"preprocessing to {options.size} px", seconds, unit="clips", count=len(clips), peer=PEER)
        found = [disk_facts(clips, place, wanted) for place, wanted in settings.items()]
        columns = ["", "original file", "H.264", "vectors", "cache", "frames in the cache"]
        note = f"KB, means of clips of {found[0]['frames']:.0f} frames"
        print(f"on the disk, {note}")
        for cells in (columns, *disk_table(found)):
            print("".join(f"{cell:>20s}" for cell in cells))
        save_table("on the disk, a clip", columns, disk_table(found), note=note, facts=found)


if __name__ == "__main__":
    main()
