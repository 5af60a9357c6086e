"""Coverage: overlap with the actor's boxes, its intervals, and its report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.coverage.measure import METRICS, AnnotatedClip, measure_coverage, overlap, stands_still
from mocrop.evaluation.coverage.report import coverage_in_workspace, coverage_json, coverage_table, write_coverage
from mocrop.evaluation.coverage.settings import VARIANTS, CoverageSettings, coverage_settings
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import DatasetError, SettingsError, WorkspaceError
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.paths import Workspace

LEFT_HALF = CropBox(left=0, top=0, right=0.5, bottom=1)


def motion(*, pan_px: float = 0.0, vectors: int = 40) -> ClipMotion:
    """Two frames at 320x240; in the second, blocks near the top left move down by 4 pixels."""
    return ClipMotion(
        width=320,
        height=240,
        vectors_per_frame=np.array([0, vectors], np.int32),
        x=np.full(vectors, 40, np.int16),
        y=np.full(vectors, 40, np.int16),
        dx=np.zeros(vectors, np.int16),
        dy=np.full(vectors, 16, np.int16),
        w=np.full(vectors, 16, np.uint8),
        h=np.full(vectors, 16, np.uint8),
        ref=np.full(vectors, -1, np.int8),
        zero_vectors=np.zeros(2, np.int32),
        frame_type=np.array([FrameType.I, FrameType.P], np.uint8),
        camera=np.array([[0] * 6, [pan_px, 0, 0, 0, 0, 0]], np.float32),
        camera_support=np.ones(2, np.float32),
    )


def clip(name: str, *, pan_px: float = 0.0) -> AnnotatedClip:
    """A clip whose actor is a tenth of the frame wide and high, where its motion is."""
    truth = np.array([[0.1, 0.1, 0.2, 0.2]] * 3)
    return AnnotatedClip(name=name, label=name.split("/")[0], motion=motion(pan_px=pan_px), truth=truth)


CLIPS = [clip("Dig/a"), clip("Dig/b"), clip("Run/a", pan_px=3.0)]


def test_half_of_the_actor_inside() -> None:
    """Actor from 1/4 to 3/4 across, all the way down: half is inside, the union is 3/4 of the frame."""
    got = overlap(np.array([[0.25, 0, 0.75, 1]]), LEFT_HALF)
    assert dict(zip(METRICS, got, strict=True)) == pytest.approx({"inside": 0.5, "whole": 0, "iou": 1 / 3, "area": 0.5})


def test_means_are_over_frames() -> None:
    """One frame wholly inside, one outside."""
    got = overlap(np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1]]), LEFT_HALF)
    assert got[:3].tolist() == pytest.approx([0.5, 0.5, 0.25])


side = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)


@given(boxes=st.lists(st.tuples(side, side), min_size=1, max_size=5), box=st.tuples(side, side))
def test_every_share_is_a_share_and_the_whole_frame_holds_every_actor(
    boxes: list[tuple[list[float], list[float]]], box: tuple[list[float], list[float]]
) -> None:
    truth = np.array([[x[0], y[0], x[1], y[1]] for x, y in boxes])
    (left, right), (top, bottom) = box
    got = overlap(truth, CropBox(left=left, top=top, right=right, bottom=bottom))
    assert ((got >= 0) & (got <= 1 + 1e-9)).all()
    assert got[1] <= got[0] + 1e-6
    assert overlap(truth, WHOLE_FRAME)[:2].tolist() == pytest.approx([1, 1])


def test_the_policy_that_follows_the_motion_gains_over_the_centre_where_the_camera_rests() -> None:
    coverage = measure_coverage(CLIPS, CoverageSettings(ratios=(0.25,)))
    found = {(row.clips_of, row.variant): row for row in coverage.rows}
    assert found["camera still", "center"].estimates["inside"].mean == 0
    assert found["camera still", "adaptive"].estimates["inside"].mean == pytest.approx(1)
    assert found["camera still", "adaptive"].over_base["inside"].low == pytest.approx(1)
    assert found["class Dig", "center"].clips == 2
    assert {name: int(members.sum()) for name, members in coverage.sets.items()} == {
        "all": 3,
        "class Dig": 2,
        "class Run": 1,
        "camera still": 2,
        "camera moves": 1,
    }


def test_the_result_does_not_depend_on_the_order_of_clips() -> None:
    settings = CoverageSettings(ratios=(0.25, 0.5))
    there, back = measure_coverage(CLIPS, settings), measure_coverage(CLIPS[::-1], settings)
    assert np.array_equal(there.values, back.values[::-1])


def test_a_ratio_without_a_box_is_shown_and_not_counted() -> None:
    """No rectangle of 1x2 cells is a tenth of the frame."""
    variants = {"center": CenterSettings(), "motion": MotionSettings(grid=(1, 2), ratio=0.5)}
    coverage = measure_coverage(CLIPS, CoverageSettings(variants=variants, ratios=(0.1, 0.5)))
    assert "| motion | 0.1 | no box | - | no box | no box |" in coverage_table(coverage)
    rows = json.loads(json_text(coverage_json(coverage)))["rows"]
    assert any(row["estimates"]["inside"]["mean"] is None for row in rows)


def test_without_clips_the_error_says_what_to_do() -> None:
    with pytest.raises(DatasetError, match="extract-mv"):
        measure_coverage([], CoverageSettings())


def test_a_clip_without_any_vector_stands_still() -> None:
    empty = dataclasses.replace(motion(vectors=0), vectors_per_frame=np.zeros(2, np.int32))
    assert stands_still(empty)
    assert not stands_still(motion(pan_px=1))


def test_report_files_are_whole_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    coverage = measure_coverage(CLIPS, CoverageSettings())
    files = write_coverage(coverage, tmp_path / "reports")
    first = {suffix: file.read_bytes() for suffix, file in files.items()}
    assert {
        suffix: file.read_bytes() for suffix, file in write_coverage(coverage, tmp_path / "reports").items()
    } == first
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "coverage.json",
        "coverage.md",
        "coverage.png",
    ]
    assert first["png"].startswith(b"\x89PNG")
    assert json.loads(first["json"])["clips"] == ["Dig/a", "Dig/b", "Run/a"]
    assert "## camera still" in first["md"].decode()


def test_options_become_settings() -> None:
    settings = coverage_settings(policies=["motion"], camera="compensate", ratios=[0.5], groups="13-25", seed=3)
    assert list(settings.variants) == ["center", "motion"]
    assert settings.variants["motion"] == MotionSettings(camera="compensate")
    assert (settings.ratios, settings.groups, settings.seed) == ((0.5,), range(13, 26), 3)
    assert coverage_settings() == CoverageSettings()
    assert coverage_settings(groups="7").groups == range(7, 8)


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"policies": ["best"]}, "no policy 'best'"),
        ({"groups": "25-13"}, "13-25"),
        ({"groups": "x"}, "13-25"),
        ({"ratios": [0.0]}, "ratios"),
        ({"camera": "follow"}, "camera"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], fact: str) -> None:
    with pytest.raises(SettingsError, match=fact):
        coverage_settings(**options)  # type: ignore[arg-type]


def test_every_policy_is_measured_by_default() -> None:
    assert set(VARIANTS) >= {"full", "center", "random", "motion", "motion-v2", "adaptive"}
    with pytest.raises(ValueError, match="center"):
        CoverageSettings(variants={"motion": MotionSettings()})


def test_without_a_workspace_the_error_says_so(tmp_path: Path) -> None:
    boxes = tmp_path / "a.json"
    boxes.write_text('{"A/a": [{"start": 0, "stop": 1, "boxes": [[0, 0, 9, 9]]}]}')
    with pytest.raises(WorkspaceError):
        coverage_in_workspace(Workspace(tmp_path), CoverageSettings(), boxes=boxes)


@pytest.mark.real
def test_adaptive_keeps_at_least_what_the_centre_crop_keeps_on_real_clips(real_clips: Path, tmp_path: Path) -> None:
    """Twelve clips of groups 13 to 25, straight from the original files; the full figures are in docs/adaptive.md."""
    from mocrop.pipeline.commands import preprocess
    from mocrop.pipeline.run.session import RunOptions

    dataset = tmp_path / "videos"
    for name in ("Surfing", "BasketballDunk"):
        (dataset / name).mkdir(parents=True)
        for group in (14, 19, 24):
            for number in (1, 2):
                file = f"v_{name}_g{group}_c0{number}.avi"
                (dataset / name / file).symlink_to(real_clips / "videos" / name / file)
    workspace = Workspace(tmp_path / "work")
    preprocess.init(workspace, dataset)
    preprocess.extract_mv(workspace, source="original", run=RunOptions(workers=0))
    boxes = real_clips / "actor-boxes.json"
    coverage, _ = coverage_in_workspace(workspace, coverage_settings(ratios=[0.5, 0.25], groups="13-25"), boxes=boxes)
    assert len(coverage.clips) == 12
    inside = {(row.variant, row.ratio): row.estimates["inside"].mean for row in coverage.rows if row.clips_of == "all"}
    for ratio in (0.5, 0.25):
        assert inside["adaptive", ratio] >= inside["center", ratio]
        assert inside["adaptive", ratio] >= inside["motion", ratio]
