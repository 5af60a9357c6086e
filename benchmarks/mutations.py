"""Damage real clips in many ways and count the wrong frames that come through, with and without a word.

    python benchmarks/mutations.py && python benchmarks/files_page.py

Parts of real clips are written as AVI (their own MPEG-4), H.264 in MP4, H.264 in a transport stream, and MPEG-2 in a
program stream; each is damaged in each way, with a seed. All stages run, and every frame in the cache is compared with
those near its number in a decode of the intact file. It also counts alarms on intact clips. The result goes to
benchmarks/results/mutations.json, which `benchmarks/files_page.py` shows in docs/files.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from harness import REAL_CLIPS, choose_clips, here
from mutate import MUTATIONS

from mocrop.pipeline.choices import Source
from mocrop.pipeline.commands.preprocess import run_all
from mocrop.pipeline.dataset.walk import VIDEO_SUFFIXES
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.workspace.paths import Workspace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # tests/ is no part of the package

from tests.odd_files.compare import StoredClip, stored_clips  # noqa: E402
from tests.odd_files.program import SIDE_PX, decode, ffmpeg  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "mutations.json"
FRAMES = 40  # of each part
NEAR = 4  # frames before and after a number that a frame may show instead: packets may be missing or twice
BLOCK_PX = 8
VISIBLE = 30.0  # mean difference of a block of that side, of 255, that an eye sees
AT_ONCE = 48
DAMAGED = "damaged-frames"
SOURCES: tuple[Source, ...] = ("original", "h264")
SETTINGS: dict[str, Any] = {"policy": "full", "size": SIDE_PX, "frames": FRAMES, "select": "uniform"}
FORMS = {  # suffix -> options of the ffmpeg program
    "avi": "-c:v copy",
    "mp4": "-vf scale=160:120 -c:v libx264 -pix_fmt yuv420p -g 12",
    "ts": "-vf scale=160:120 -c:v libx264 -pix_fmt yuv420p -g 12",
    "mpg": "-vf scale=160:120 -c:v mpeg2video -q:v 4 -g 12 -bf 2",
}


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """What came of one damaged or intact clip in one way."""

    form: str
    mutation: str  # "" if intact
    source: Source
    failed: str  # reason code; empty if it is done
    noted: bool  # whether damage is noted
    wrong: int  # cached frames that are visibly wrong

    @property
    def outcome(self) -> str:
        """One of the columns of the table."""
        if self.failed:
            return "failed"
        return ("noted" if self.noted else "silent") + (" wrong" if self.wrong else " right")


@lru_cache(maxsize=AT_ONCE)
def _intact(path: Path) -> npt.NDArray[np.uint8]:
    return decode(path).pictures


def wrong_frames(stored: StoredClip, intact: npt.NDArray[np.uint8]) -> int:
    """How many stored frames look like none of the intact ones near their number.

    Args:
        intact: uint8, shape (frames, side, side, 3).
    """
    count = 0
    for number, crop in zip(stored.numbers, stored.crops, strict=True):
        near = intact[max(0, number - NEAR) : number + NEAR + 1]
        count += not len(near) or min(_largest_difference(crop, other) for other in near) > VISIBLE
    return count


def _largest_difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Mean difference of the block in which two pictures differ most."""
    difference = np.abs(a.astype(np.int16) - b).mean(-1)
    side = len(difference) // BLOCK_PX
    return float(difference.reshape(side, BLOCK_PX, side, BLOCK_PX).mean((1, 3)).max())


def run_batch(
    files: Mapping[str, Path], intact: Mapping[str, Path], scratch: Path
) -> Iterator[tuple[str, Source, Any]]:
    """Run all stages on some files; yields name, source and (failed, noted, wrong)."""
    for source in SOURCES:
        workspace = Workspace(scratch / source)
        with contextlib.redirect_stderr(io.StringIO()):
            data = next(iter(files.values())).parent.parent
            run_all(workspace, data, source=source, run=RunOptions(workers=0), name="uniform", **SETTINGS)
        clips = {name.rpartition("/")[2]: clip for name, clip in stored_clips(workspace, "uniform").items()}
        for name, path in files.items():
            clip = clips[path.stem]
            pictures = _intact(intact[name])
            failed = clip.failed[1] if clip.failed else ""
            wrong = 0 if failed else wrong_frames(clip, pictures)
            yield name, source, (failed, DAMAGED in clip.notes, wrong)


def parts(clips: Sequence[Path], folder: Path) -> Iterator[tuple[str, Path]]:
    """Write the first frames of every clip in every form; yields form and path."""
    for number, clip in enumerate(clips):
        for form, options in FORMS.items():
            path = folder / f"part{number:04d}.{form}"
            ffmpeg("-i", clip, "-an", *options.split(), "-frames:v", str(FRAMES), path)
            yield form, path


def damaged(clips: Sequence[Path], scratch: Path, *, seed: int) -> Iterator[Damaged]:
    """Damage every part of every clip in every way, and say what comes of it; each part is tried intact too."""
    whole = list(parts(clips, _folder(scratch / "intact")))
    jobs = [(form, path, mutation) for form, path in whole for mutation in ("", *MUTATIONS)]
    for first in range(0, len(jobs), AT_ONCE):
        place = scratch / f"batch{first}"
        folder = _folder(place / "data" / "Class")
        files, intact, kinds = {}, {}, {}
        for number, (form, path, mutation) in enumerate(jobs[first : first + AT_ONCE], start=first):
            target = folder / f"clip{number:05d}.{form}"
            if mutation:
                MUTATIONS[mutation](path, target, np.random.default_rng([seed, number]))
            else:
                target.write_bytes(path.read_bytes())
            target = target.rename(target.with_suffix(_known_suffix(form)))
            files[target.stem], intact[target.stem], kinds[target.stem] = target, path, (form, mutation)
        for name, source, (failed, noted, wrong) in run_batch(files, intact, place):
            form, mutation = kinds[name]
            yield Damaged(form=form, mutation=mutation, source=source, failed=failed, noted=noted, wrong=wrong)
        print(f"{min(first + AT_ONCE, len(jobs))} of {len(jobs)}", file=sys.stderr)


def alarms(clips: Sequence[Path], scratch: Path) -> int:
    """How many intact clips, taken whole, fail or get the note of damage, with either source."""
    folder, called = _folder(scratch / "data" / "Class"), set()
    for number, clip in enumerate(clips):
        shutil.copyfile(clip, folder / f"clip{number:05d}{clip.suffix}")
    for source in SOURCES:
        workspace = Workspace(scratch / source)
        with contextlib.redirect_stderr(io.StringIO()):
            run_all(workspace, folder.parent, source=source, run=RunOptions(workers=0), name="uniform", **SETTINGS)
        stored = stored_clips(workspace, "uniform")
        called |= {name for name, clip in stored.items() if clip.failed or DAMAGED in clip.notes}
    return len(called)


def _known_suffix(form: str) -> str:
    return f".{form}" if f".{form}" in VIDEO_SUFFIXES else ".mkv"


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def counts(found: Sequence[Damaged]) -> list[dict[str, Any]]:
    """Number of clips by form, mutation, source and outcome."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for each in found:
        key = (each.form, each.mutation, each.source)
        row = rows.setdefault(key, {"form": each.form, "mutation": each.mutation, "source": each.source, "clips": 0})
        row["clips"] += 1
        row[each.outcome] = row.get(each.outcome, 0) + 1
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=REAL_CLIPS, help="folder of class folders of videos")
    parser.add_argument("--clips", type=int, default=44, help="how many; each is damaged 32 times")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--intact", type=int, default=300, help="how many whole clips to look at for false alarms")
    options = parser.parse_args()
    clips = choose_clips(options.data, options.clips, Path())
    with tempfile.TemporaryDirectory() as scratch:
        found = list(damaged(clips, Path(scratch, "damaged"), seed=options.seed))
        whole = choose_clips(options.data, options.intact, Path())
        intact = {"clips": len(whole), "alarms": alarms(whole, Path(scratch, "whole"))}
    origin = here("mutations.py", sys.argv[1:])
    result = {**origin, "clips": len(clips), "seed": options.seed, "intact": intact, "rows": counts(found)}
    RESULTS.write_text(json.dumps(result, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
