"""CPU time of the policies a clip, alone and with what precedes them: the motion is read from the store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from harness import arguments, choose_clips, interleave, report
from precrop import prepare

from mocrop.pipeline.cache.slots import evenly
from mocrop.pipeline.motion.clip_motion import ClipMotion
from mocrop.pipeline.motion.store import MotionReader
from mocrop.pipeline.outcome import ClipTask
from mocrop.pipeline.policies.base import AreaSettings, ClipFacts
from mocrop.pipeline.policies.registry import POLICIES, decide
from mocrop.pipeline.workspace.paths import Workspace

PEER = "adaptive"
READING = ", with reading"  # added to the name of a policy for the time that includes reading the motion
COMPARED = ("motion", "motion-v2", PEER, "follow")


def facts_of(name: str, motion: ClipMotion, *, slots: int) -> ClipFacts:
    """What a policy is asked: a box, or one for each of so many evenly spaced frames."""
    return ClipFacts(
        name=name, size=(motion.width, motion.height), motion=motion, slots=evenly(motion.frames, slots=slots)
    )


def decide_all(policy: str, clips: list[ClipFacts], *, ratio: float) -> None:
    """Choose the boxes of all clips."""
    kind = POLICIES[policy].settings
    assert issubclass(kind, AreaSettings)
    settings = kind(ratio=ratio)
    for clip in clips:
        decide(policy, clip, settings)


def read(store: Path, tasks: tuple[ClipTask, ...], *, slots: int) -> list[ClipFacts]:
    """Read the motion of all clips."""
    reader = MotionReader(store)
    found = ((task.name, reader.read(task.position)) for task in tasks)
    return [facts_of(name, motion, slots=slots) for name, motion in found if motion is not None]


def cases(store: Path, tasks: tuple[ClipTask, ...], *, slots: int, ratio: float) -> Mapping[str, Callable[[], None]]:
    """Every policy, and both of ours with reading."""
    clips = read(store, tasks, slots=slots)
    alone = {policy: partial(decide_all, policy, clips, ratio=ratio) for policy in COMPARED}

    def whole(policy: str) -> None:
        decide_all(policy, read(store, tasks, slots=slots), ratio=ratio)

    return {**alone, **{f"{policy}{READING}": partial(whole, policy) for policy in (PEER, "follow")}}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--slots", type=int, default=16, help="boxes a clip that follow is asked for")
    parser.add_argument("--ratio", type=float, default=0.25, help="area of the boxes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = choose_clips(options.data, options.clips, folder)
        tasks = tuple(ClipTask(position=n, name=f"A/{n:04d}", path=str(clip)) for n, clip in enumerate(found))
        workspace = Workspace(folder / "work")
        workspace.root.mkdir()
        prepare(tasks, workspace, "h264")
        seconds = interleave(
            cases(workspace.motion, tasks, slots=options.slots, ratio=options.ratio), rounds=options.rounds
        )
    report(
        f"policies, {options.slots} slots, area {options.ratio:g}", seconds, unit="clips", count=len(found), peer=PEER
    )


if __name__ == "__main__":
    main()
