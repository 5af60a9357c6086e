"""The motion of parts of a video while it is decoded: that of the whole, cut into parts, camera and all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.motion.run_motion import MotionRuns
from mocrop.pipeline.motion.vectors import FrameVectors, export_vectors, read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.decoder import PlainDecode
from mocrop.pipeline.video.open import open_video

MakeVideo = Callable[..., Path]
FACTS = ("vectors_per_frame", "x", "y", "dx", "dy", "w", "h", "ref", "zero_vectors", "frame_type", "camera_support")


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("length", [5, 7, 11])
def test_parts_have_the_motion_of_the_whole(make_video: MakeVideo, tmp_path: Path, b_frames: int, length: int) -> None:
    ground = np.random.default_rng(0).integers(0, 256, (20, 60, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    pan = [ground[:64, 2 * number : 2 * number + 96] for number in range(40)]
    options = {"x264-params": f"scenecut=0:bframes={b_frames}:b-adapt=0:threads=1"}
    path = make_video(tmp_path / "c.mp4", frames=pan, codec="libx264", options=options)
    whole = read_motion(path, clip="c", log=ClipLog(0))
    assert np.abs(whole.camera).max() > 1
    waiting = [range(start, min(40, start + length)) for start in range(0, 40, 3)]
    with open_video(path, clip="c", log=ClipLog(0)) as video:
        export_vectors(video.stream, smooth=True)
        runs, vectors = MotionRuns(ClipLog(0)), FrameVectors(video)
        for number, frame in enumerate(PlainDecode(video).frames(look=vectors.look), start=1):
            runs.add(vectors.of(frame))
            while waiting and waiting[0].stop <= number and (number == 40 or runs.reach(waiting[0].stop)):
                part = waiting.pop(0)
                found = runs.motion(part, seconds=np.zeros(len(part)), brightest=None)
                expected = whole.of_frames(part)
                assert all(np.array_equal(getattr(found, fact), getattr(expected, fact)) for fact in FACTS)
                assert np.allclose(found.camera, expected.camera, atol=1e-5)
                runs.let_go(before=waiting[0].start if waiting else 40)
    assert not waiting
