"""CPU time of `mocrop transcode` against the ffmpeg program with the same x264 settings, on the same clips."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import arguments, choose_clips, count_frames, interleave, report

from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings

SETTINGS = TranscodeSettings()


def ours(clips: list[Path], folder: Path) -> None:
    tasks = tuple(ClipTask(position=n, name=f"A/{clip.stem}", path=str(clip)) for n, clip in enumerate(clips))
    outcomes = transcode_unit(WorkUnit(index=0, clips=tasks), SETTINGS, str(folder))
    assert all(outcome.status == "done" for outcome in outcomes), outcomes


def ffmpeg(clips: list[Path], folder: Path) -> None:
    options = [item for name, value in SETTINGS.x264_options.items() for item in (f"-{name}", value)]
    for clip in clips:
        before = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(clip), "-an", "-filter_threads", "1"]
        target = str(folder / f"{clip.stem}.mp4")
        subprocess.run([*before, "-c:v", "libx264", "-threads", "1", *options, target], check=True)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    if shutil.which("ffmpeg") is None:
        raise SystemExit("this benchmark compares with the ffmpeg program, which is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = choose_clips(options.data, options.clips, folder)
        cases = {"mocrop transcode": lambda: ours(clips, folder), "ffmpeg": lambda: ffmpeg(clips, folder)}
        seconds = interleave(cases, rounds=options.rounds)
        report("transcode", seconds, unit="frames", count=count_frames(clips), peer="ffmpeg")


if __name__ == "__main__":
    main()
