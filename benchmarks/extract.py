"""CPU time of `mocrop extract-mv`, camera fit and writing included, against a bare loop that decodes the same files.

The bare loop is the least that one could write: PyAV, one thread, ``export_mvs``, ``to_ndarray()`` on every frame.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness import arguments, choose_clips, interleave, report

from mocrop.pipeline.motion.store import CLIPS_PER_SHARD
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.extract_mv import ExtractSettings, extract_unit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.open import open_container
from mocrop.pipeline.workspace.paths import Workspace

TARGETS: dict[Literal["h264", "original"], float] = {"h264": 1.4, "original": 1.7}


def bare_loop(files: Sequence[Path]) -> int:
    """Decode every frame and take its vectors as an array. Returns the number of frames."""
    frames = 0
    for file in files:
        with open_container(file) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"flags2": "+export_mvs"}
            for frame in container.decode(stream):
                frames += 1
                vectors = frame.side_data.get("MOTION_VECTORS")
                if vectors is not None:
                    vectors.to_ndarray()
    return frames


def extract(units: Sequence[WorkUnit], source: Literal["h264", "original"], workspace: Path) -> None:
    for unit in units:
        outcomes = extract_unit(unit, ExtractSettings(source=source), str(workspace))
        assert all(outcome.status == "done" for outcome in outcomes), outcomes


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Workspace(Path(scratch) / "workspace")
        clips = choose_clips(options.data, options.clips, Path(scratch))
        tasks = [ClipTask(position=n, name=f"A/{clip.stem}", path=str(clip)) for n, clip in enumerate(clips)]
        runs = [tasks[first : first + CLIPS_PER_SHARD] for first in range(0, len(tasks), CLIPS_PER_SHARD)]
        units = [WorkUnit(index=index, clips=tuple(run)) for index, run in enumerate(runs)]
        for unit in units:
            transcode_unit(unit, TranscodeSettings(), str(place.root))
        for source, target in TARGETS.items():
            files = [place.h264_file(task.name) for task in tasks] if source == "h264" else clips
            cases = {
                "mocrop extract-mv": lambda source=source: extract(units, source, place.root),
                "bare loop": lambda files=files: bare_loop(files),
            }
            seconds = interleave(cases, rounds=options.rounds)
            title = f"extract-mv --source {source} of {len(clips)} clips, target {target}"
            report(title, seconds, unit="frames", count=bare_loop(files), peer="bare loop")


if __name__ == "__main__":
    main()
