"""CPU time of `mocrop export --to mp4` against the ffmpeg program with the same crop, scale and x264 settings."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import arguments, choose_clips, count_frames, interleave, report

from mocrop.pipeline.export.base import ClipInfo, ExportSettings
from mocrop.pipeline.export.mp4 import Mp4Settings
from mocrop.pipeline.export.stage import export_unit
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.precrop_settings import PrecropSettings

RATIO = 0.5625  # a box of three quarters of each side, whose edges are even in 320x240
CROP = PrecropSettings(
    name="export",
    size=192,
    source="original",
    policy="center",
    policy_settings=CenterSettings(ratio=RATIO, shape="frame"),
)
SCALER = "flags=bicubic+accurate_rnd+bitexact"  # as mocrop scales


def ours(clips: list[Path], folder: Path, settings: Mp4Settings) -> None:
    made = ExportSettings(folder=str(folder / "ours"), form="mp4", form_settings=settings, crop=CROP)
    tasks = []
    for number, clip in enumerate(clips):
        info = ClipInfo(place=f"A/{clip.stem}", labels=("A",), label_numbers=(0,), subsets=(), group=-1)
        told = json.dumps(dataclasses.asdict(info))
        tasks.append(ClipTask(position=number, name=f"A/{clip.stem}", path=str(clip), told=told))
    outcomes = export_unit(WorkUnit(index=0, clips=tuple(tasks)), made, str(folder / "work"))
    assert all(outcome.status == "done" for outcome in outcomes), outcomes


def ffmpeg(clips: list[Path], folder: Path, settings: Mp4Settings, *more: str) -> None:
    options = [item for name, value in settings.x264_options.items() for item in (f"-{name}", value)]
    filters = "crop=iw*3/4:ih*3/4:iw/8:ih/8"
    if settings.size:
        filters += f",scale={settings.size}:{settings.size}:{SCALER}"
    for clip in clips:
        before = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(clip), "-an", "-filter_threads", "1"]
        after = ["-vf", filters, "-c:v", "libx264", "-threads", "1", *options, *more, str(folder / f"{clip.stem}.mp4")]
        subprocess.run([*before, *after], check=True)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    if shutil.which("ffmpeg") is None:
        raise SystemExit("this benchmark compares with the ffmpeg program, which is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        for size, what in ((192, "scaled to 192 px"), (0, "in the pixels of the source")):
            settings = Mp4Settings(size=size)
            cases = {
                "mocrop export": lambda settings=settings: ours(clips, folder, settings),
                "ffmpeg": lambda settings=settings: ffmpeg(clips, folder, settings),
                "ffmpeg, a frame a clip": lambda settings=settings: ffmpeg(clips, folder, settings, "-frames:v", "1"),
            }
            seconds = interleave(cases, rounds=options.rounds)
            report(f"export as MP4, {what}", seconds, unit="frames", count=count_frames(clips), peer="ffmpeg")


if __name__ == "__main__":
    main()
