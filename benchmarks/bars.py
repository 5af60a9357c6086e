"""Find the picture inside black bars in every clip of a data set, and write the tables of docs/bars.md.

    python benchmarks/bars.py --data UCF-101/

saves ``benchmarks/results/bars.json``: for each clip what `mocrop extract-mv` finds, in the transcoded file and in the
clip's own, and what a plain recipe finds (the 98th percentile of a line below 28 of 255, in eight frames); and the CPU
time of reading motion with and without looking for bars, in turns. ``--only-saved`` makes the tables from that alone.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from harness import choose_clips, here, interleave
from page import table

from mocrop.evaluation.bench.interleaved_timing import ratios
from mocrop.pipeline.crop_box import PixelEdges
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.motion import vectors
from mocrop.pipeline.outcome import ClipLog, ClipTask
from mocrop.pipeline.stages.contract import WorkUnit
from mocrop.pipeline.stages.transcode import transcode_unit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.brightest import Brightest
from mocrop.pipeline.video.frame_times import FrameTimes
from mocrop.pipeline.video.open import open_container, set_decoder_options
from mocrop.pipeline.workspace.paths import Workspace

HERE = Path(__file__).resolve().parent
SAVED, PAGE = HERE / "results" / "bars.json", HERE.parent / "docs" / "bars.md"
MARKS = "<!-- bars: written by benchmarks/bars.py -->", "<!-- end of bars -->"
FOUND = ("h264", "original", "recipe")
Result = Mapping[str, Any]


def recipe(file: Path) -> PixelEdges:
    """The plain recipe: lines whose 98th percentile stays below 28, two more, none where over two thirds would go."""
    brightest = _brightest_of_eight(file)
    height, width = brightest.shape
    rows, columns = (np.percentile(brightest, 98, axis=axis) < 28 for axis in (1, 0))
    top, bottom, left, right = (_run(lines) for lines in (rows, rows[::-1], columns, columns[::-1]))
    inside = max(0, width - left - right) * max(0, height - top - bottom)
    return (left, top, width - right, height - bottom) if 3 * inside >= width * height else (0, 0, width, height)


def _run(dark: npt.NDArray[np.bool_]) -> int:
    count = len(dark) if dark.all() else int(dark.argmin())
    return count + 2 if count else 0


def _brightest_of_eight(file: Path) -> npt.NDArray[np.uint8]:
    with open_container(file) as container:
        frames = [frame.to_ndarray(format="gray8") for frame in container.decode(video=0) if frame.key_frame]
    return np.max([frames[n * len(frames) // 8] for n in range(8)], axis=0)


def find(tasks: Sequence[ClipTask], place: Workspace) -> Iterator[dict[str, Any]]:
    """What is found in each clip, of which the transcoded file is there."""
    for task in tasks:
        own, h264 = Path(task.path), place.h264_file(task.name)
        motions = {"h264": _read(h264), "original": _read(own)}
        size = (motions["h264"].width, motions["h264"].height)
        found = {name: motion.picture for name, motion in motions.items()}
        yield {"clip": own.stem, "class": own.parent.name, "size": size, **found, "recipe": recipe(h264)}


def _read(file: Path) -> vectors.ClipMotion:
    return vectors.read_motion(file, clip=file.stem, log=ClipLog(0))


def times(files: Mapping[str, Sequence[Path]], *, rounds: int) -> dict[str, Any]:
    """CPU seconds of reading the motion of files, with bars and times of frames, and as it was without."""
    found = {}
    for source, of_source in files.items():
        cases = {
            "with": lambda of_source=of_source: [_read(file) for file in of_source],
            "without": lambda of_source=of_source: _without(of_source),
        }
        found[source] = interleave(cases, rounds=rounds)
    return found


def _without(files: Sequence[Path]) -> None:
    """Read motion and nothing else; of MPEG-4 Part 2 without the residuals, of which vectors are independent."""

    def export(stream: Any, *, smooth: bool) -> None:
        skipped = {"skip_idct": "all"} if stream.codec_context.codec.canonical_name == "mpeg4" else {}
        set_decoder_options(stream, flags2="+export_mvs", skip_loop_filter="all", **skipped)

    with (
        patch.object(vectors, "export_vectors", export),
        patch.multiple(Brightest, see=lambda *_: None, picture=lambda *_: None),
        patch.multiple(FrameTimes, add=lambda *_: None, seconds=lambda *_: None),
    ):
        for file in files:
            _read(file)


def tables(result: Result) -> str:
    """The part of the page that is made of a result."""
    clips = result["clips"]
    classes = [*sorted({clip["class"] for clip in clips}), "all"]
    lines = [[name, *_cells([clip for clip in clips if name in (clip["class"], "all")])] for name in classes]
    titles = ["class", "clips", "with bars", "cut of these", "from their own files", "cut", "plain recipe", "cut"]
    timed = [_said(result["seconds"][source], source) for source in ("h264", "original")]
    parts = [
        f"`{result['command']}`, {result['date']}, {result['machine']}, load {result['load']:g}",
        table(titles, lines),
        f"In {sum(clip['h264'] != clip['original'] for clip in clips)} clips the two files give other pictures, in "
        f"{sum(_apart(clip) > 2 for clip in clips)} by more than two pixels at a side.",
        f"CPU time of reading motion, to that without bars and times of frames: {'; '.join(timed)}.",
    ]
    return "\n\n".join(parts)


def _cells(clips: Sequence[Result]) -> list[str]:
    cells = [str(len(clips))]
    for name in FOUND:
        cut = [share for clip in clips if (share := share_cut(clip[name], clip["size"])) > 0]
        cells += [f"{len(cut)} ({len(cut) / len(clips):.0%})", f"{fmean(cut):.1%}" if cut else ""]
    return cells


def share_cut(picture: Sequence[int], size: Sequence[int]) -> float:
    """Share of the frame that is outside a picture.

    >>> share_cut((0, 30, 320, 210), (320, 240))
    0.25
    """
    left, top, right, bottom = picture
    return 1 - (right - left) * (bottom - top) / (size[0] * size[1])


def _apart(clip: Result) -> int:
    return max(abs(one - other) for one, other in zip(clip["h264"], clip["original"], strict=True))


def _said(seconds: Mapping[str, Sequence[float]], source: str) -> str:
    ratio = ratios(seconds["with"], to=seconds["without"])
    return f"{source} {ratio.median:.3f} ({ratio.least:.3f} to {ratio.most:.3f}, {len(seconds['with'])} rounds)"


def write_page(result: Result, page: Path, *, text: str | None = None) -> None:
    """Write the tables into a page between its two marks; ``text`` is that of the page, which is read else."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    write_whole(page, f"{text[:start]}\n{tables(result)}\n\n{text[end:]}".encode())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        place = Workspace(Path(scratch) / "workspace")
        clips = choose_clips(options.data, options.clips, Path(scratch))
        tasks = [ClipTask(position=n, name=f"A/{clip.stem}", path=str(clip)) for n, clip in enumerate(clips)]
        transcode_unit(WorkUnit(index=0, clips=tuple(tasks)), TranscodeSettings(), str(place.root))
        found = list(find(tasks, place))
        timed = tasks[:: max(1, len(tasks) // options.timed)]
        files = {
            "h264": [place.h264_file(task.name) for task in timed],
            "original": [Path(task.path) for task in timed],
        }
        seconds = times(files, rounds=options.rounds)
    return {**here("bars.py", ["--clips", str(options.clips)]), "clips": found, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent / "../shared/data/ucf-mini/videos")
    parser.add_argument("--clips", type=int, default=300, help="how many clips, evenly spread over the data set")
    parser.add_argument("--timed", type=int, default=25, help="how many of them to time")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds; one more comes first as warm-up")
    parser.add_argument("--only-saved", action="store_true", help="measure nothing: make the tables")
    parser.add_argument("--saved", type=Path, default=SAVED, help="file of the result")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write")
    options = parser.parse_args()
    if not options.only_saved:
        options.saved.parent.mkdir(parents=True, exist_ok=True)
        write_whole(options.saved, (json.dumps(measure(options), indent=None) + os.linesep).encode())
    write_page(json.loads(options.saved.read_text(encoding="utf-8")), options.page)


if __name__ == "__main__":
    main()
