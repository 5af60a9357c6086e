"""Coverage: overlap with the actor's boxes, its intervals, and its report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.evaluation.coverage.actor_boxes import Tube
from mocrop.evaluation.coverage.clips import AnnotatedClip, WhyNot, slots_of
from mocrop.evaluation.coverage.console import print_coverage
from mocrop.evaluation.coverage.measure import Coverage, _sets, measure_coverage
from mocrop.evaluation.coverage.overlap import METRICS, overlap, overlaps
from mocrop.evaluation.coverage.report import (
    FEW,
    coverage_in_workspace,
    coverage_json,
    coverage_markdown,
    coverage_table,
    with_not_measured,
    write_coverage,
)
from mocrop.evaluation.coverage.rows import At, CoverageRow
from mocrop.evaluation.coverage.settings import (
    BEST_MOVING,
    BEST_STATIC,
    FRAME_CENTER,
    VARIANTS,
    CoverageSettings,
    coverage_settings,
)
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import DatasetError, MotionStoreError, SettingsError, WorkspaceError
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.residual import stands_still
from mocrop.pipeline.policies.base import ClipFacts, PolicyResult, PolicySettings
from mocrop.pipeline.policies.controls import CenterSettings
from mocrop.pipeline.policies.motion_v1 import MotionSettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace

LEFT_HALF = CropBox(left=0, top=0, right=0.5, bottom=1)


def motion(*, pan_px: float = 0.0, vectors: int = 40, frames: int = 2) -> ClipMotion:
    """Frames at 320x240, the first a key frame; in each other one, blocks near the top left move down by 4 pixels."""
    every = vectors * (frames - 1)
    return ClipMotion(
        width=320,
        height=240,
        vectors_per_frame=np.array([0] + [vectors] * (frames - 1), np.int32),
        x=np.full(every, 40, np.int16),
        y=np.full(every, 40, np.int16),
        dx=np.zeros(every, np.int16),
        dy=np.full(every, 16, np.int16),
        w=np.full(every, 16, np.uint8),
        h=np.full(every, 16, np.uint8),
        ref=np.full(every, -1, np.int8),
        zero_vectors=np.zeros(frames, np.int32),
        frame_type=np.array([FrameType.I] + [FrameType.P] * (frames - 1), np.uint8),
        camera=np.array([[0] * 6] + [[pan_px, 0, 0, 0, 0, 0]] * (frames - 1), np.float32),
        camera_support=np.ones(frames, np.float32),
        seconds=np.arange(frames) / 25,
        picture=(0, 24, 320, 216),
    )


def clip(name: str, *, group: int = -1, at: float = 0.1, pan_px: float = 0.0) -> AnnotatedClip:
    """A clip whose actor is a tenth of the frame wide and high; by default where its motion is."""
    return AnnotatedClip(
        name=name,
        label=name.split("/")[0],
        group=group,
        motion=motion(pan_px=pan_px),
        frames=np.array([0, 0, 1]),
        truth=np.array([[at, at, at + 0.1, at + 0.1]] * 3),
    )


CLIPS = [clip("Dig/a"), clip("Dig/b"), clip("Run/a", pan_px=3.0)]


def test_half_of_the_actor_inside() -> None:
    """Actor from 1/4 to 3/4 across, all the way down: half is inside, the union is 3/4 of the frame."""
    got = overlap(np.array([[0.25, 0, 0.75, 1]]), LEFT_HALF)
    assert dict(zip(METRICS, got, strict=True)) == pytest.approx({"inside": 0.5, "whole": 0, "iou": 1 / 3, "area": 0.5})


def test_means_are_over_frames() -> None:
    """One frame wholly inside, one outside."""
    got = overlap(np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1]]), LEFT_HALF)
    assert got[:3].tolist() == pytest.approx([0.5, 0.5, 0.25])


def test_each_row_has_a_box_of_its_own() -> None:
    """The first box is a quarter of the frame and holds its actor, the second half of it and holds nothing."""
    truth = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]])
    got = overlaps(truth, np.array([[0, 0, 0.5, 0.5], [0.5, 0, 1, 1]]))
    assert got.tolist() == [0.5, 0.5, 0.5, 0.375]


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


def rows_of(coverage: Coverage, *, at: At = "slots", clips_of: str = "all") -> dict[tuple[str, float], CoverageRow]:
    return {(row.variant, row.ratio): row for row in coverage.rows if (row.at, row.clips_of) == (at, clips_of)}


def test_the_policy_that_follows_the_motion_gains_over_the_centre_where_the_camera_rests() -> None:
    coverage = measure_coverage(CLIPS, CoverageSettings(ratios=(0.25,)))
    for at in ("slots", "frames"):
        found = rows_of(coverage, at=at, clips_of="camera still")
        assert found["center", 0.25].estimates["inside"].mean == 0
        for policy in ("adaptive", "follow", BEST_STATIC, BEST_MOVING):
            assert found[policy, 0.25].estimates["inside"].mean == pytest.approx(1)
            assert found[policy, 0.25].over["center"]["inside"].mean == pytest.approx(1)
    assert rows_of(coverage, clips_of="class Dig")["center", 0.25].clips == 2
    assert {name: int(members.sum()) for name, members in coverage.sets.items()} == {
        "all": 3,
        "class Dig": 2,
        "class Run": 1,
        "camera still": 2,
        "camera moves": 1,
    }


def test_slots_and_frames_are_two_numbers() -> None:
    """The key frame shows the actor in the middle, the frame after it at the border, where the centre crop ends."""
    one = dataclasses.replace(
        clip("Dig/a"), frames=np.array([0, 1]), truth=np.array([[0.4, 0.4, 0.6, 0.6], [0, 0.4, 0.2, 0.6]])
    )
    settings = CoverageSettings(variants={"center": CenterSettings(shape="frame")}, ratios=(0.25,))
    found = {at: rows_of(measure_coverage([one], settings), at=at)["center", 0.25] for at in ("slots", "frames")}
    assert {at: row.estimates["inside"].mean for at, row in found.items()} == {"slots": 1, "frames": 0.5}
    uniform = dataclasses.replace(settings, select="uniform")  # both frames have a slot
    assert rows_of(measure_coverage([one], uniform))["center", 0.25].estimates["inside"].mean == 0.5


def test_a_clip_without_an_annotated_slot_counts_at_all_frames_alone() -> None:
    late = dataclasses.replace(clip("Dig/b"), frames=np.array([1, 1, 1]))
    coverage = measure_coverage([clip("Dig/a"), late], CoverageSettings(ratios=(0.5,)))
    counted = [rows_of(coverage, at=at)["full", 1.0].clips for at in ("slots", "frames")]
    assert counted == [1, 2]
    assert "1 clip without an annotated slot" in coverage_markdown(coverage)


def test_slots_are_the_frames_that_precrop_keeps() -> None:
    """Four key frames for two slots: the middle one of each half; a clip without any is thinned evenly."""
    four = dataclasses.replace(motion(frames=8), frame_type=np.array([1, 2] * 4, np.uint8))
    assert slots_of(four, select="keyframes", slots=2) == [2, 6]
    assert slots_of(four, select="keyframes", slots=16) == [0, 2, 4, 6]
    assert slots_of(four, select="uniform", slots=2) == [2, 6]
    none = dataclasses.replace(four, frame_type=np.full(8, FrameType.P, np.uint8))
    assert slots_of(none, select="keyframes", slots=4) == [1, 3, 5, 7]


def test_no_policy_of_the_frames_shape_keeps_more_than_the_best_boxes() -> None:
    clips = [clip(f"Dig/{at}", at=at / 10) for at in range(10)]
    coverage = measure_coverage(clips, CoverageSettings())
    number = {name: place for place, name in enumerate(coverage.variants)}
    for inside in (values[..., 0] for values in coverage.values.values()):
        static, moving = inside[:, number[BEST_STATIC]], inside[:, number[BEST_MOVING]]
        for name in ("adaptive", FRAME_CENTER):
            assert (inside[:, number[name]] <= static + 1e-9).all()
        for name in (BEST_STATIC, "follow"):
            assert (inside[:, number[name]] <= moving + 1e-9).all()


def test_boxes_that_follow_exactly_score_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The actor is in another corner in each frame, and so is the policy's box."""
    corners = [CropBox(left=x, top=y, right=x + 0.25, bottom=y + 0.25) for x, y in ((0, 0), (0.75, 0.75))]
    places = {0: corners[0], 1: corners[1]}

    def follows(_policy: str, facts: ClipFacts, settings: PolicySettings) -> PolicyResult:
        boxes = tuple(places[slot] for slot in facts.slots)
        return PolicyResult(box=boxes[0], density=settings.no_density, slot_boxes=boxes)

    monkeypatch.setattr("mocrop.evaluation.coverage.measure.decide", follows)
    one = dataclasses.replace(
        clip("Dig/a"), frames=np.array([1, 0]), truth=np.array([corners[1].edges, corners[0].edges])
    )
    found = rows_of(measure_coverage([one], CoverageSettings(ratios=(0.0625,))), at="frames")
    for variant in ("follow", BEST_MOVING):
        assert [found[variant, 0.0625].estimates[metric].mean for metric in METRICS] == [1, 1, 1, 0.0625]
    assert found[BEST_STATIC, 0.0625].estimates["inside"].mean == 0.5


def test_a_static_box_keeps_the_same_at_slots_and_frames_of_an_actor_that_stands() -> None:
    """With ten frames, of which one has a slot."""
    stands = dataclasses.replace(
        clip("Dig/a"), motion=motion(frames=10), frames=np.arange(10), truth=np.array([[0.05, 0.3, 0.4, 0.6]] * 10)
    )
    coverage = measure_coverage([stands], CoverageSettings())
    still = [number for number, name in enumerate(coverage.variants) if name != "follow"]
    assert np.allclose(coverage.values["slots"][:, still], coverage.values["frames"][:, still])


def test_a_second_clip_of_each_group_narrows_no_interval() -> None:
    """Eight groups, each of one clip, and the same with every clip twice; without groups, clips are groups."""
    once = [clip(f"Dig/{group}", group=group, at=group / 10) for group in range(8)]
    twice = [clip(f"Dig/{group}{take}", group=group, at=group / 10) for group in range(8) for take in "ab"]
    alone = [dataclasses.replace(one, group=-1) for one in twice]
    settings = CoverageSettings(ratios=(0.5,))
    widths, groups = [], []
    for clips in (once, twice, alone):
        row = rows_of(measure_coverage(clips, settings))["adaptive", 0.5]
        widths.append([row.over["center"]["inside"].high - row.over["center"]["inside"].low])
        groups.append(row.groups)
    assert groups == [8, 8, 16]
    assert widths[0] == pytest.approx(widths[1])
    assert widths[2][0] < 0.8 * widths[1][0]


def test_few_groups_are_said_to_be_few() -> None:
    few = [clip(f"Dig/{group}", group=group, at=group / 10) for group in range(7)]
    said = coverage_markdown(measure_coverage(few, CoverageSettings(ratios=(0.5,))))
    assert "7 clips of 7 groups at slots" in said
    assert FEW in said
    assert FEW not in coverage_markdown(measure_coverage([*few, clip("Dig/7")], CoverageSettings(ratios=(0.5,))))


def test_tables_have_the_area_that_was_asked_for_and_the_json_what_it_was() -> None:
    """The nearest to a tenth of 6 x 8 cells is 5 of 48, which is 0.104; boxes that cut through cells are exact."""
    coverage = measure_coverage(CLIPS, CoverageSettings(ratios=(0.1,)))
    area = {name: row.estimates["area"].mean for (name, _), row in rows_of(coverage).items()}
    assert (area["motion"], area["adaptive"]) == pytest.approx((5 / 48, 0.1))
    assert "| motion | 0.1 |" in coverage_table(coverage)
    assert "policies that choose whole cells may be a tenth off" in coverage_markdown(coverage)


def test_clips_that_are_not_measured_are_counted_by_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of the groups asked for, one clip is measured, two have no boxes, one no vectors, and one is not there."""
    coverage = measure_coverage([clip("Dig/v_Dig_g13_c01")], CoverageSettings(ratios=(0.25,), groups=range(13, 26)))
    tubes = (Tube(start=0, boxes=np.array([[0.0, 0, 9, 9]])),)
    names = ("Dig/v_Dig_g13_c01", "Dig/v_Dig_g13_c02", "Dig/v_Dig_g13_c05", "Dig/v_Dig_g12_c01")
    passed = {
        "Dig/v_Dig_g13_c03": WhyNot.NO_BOXES,
        "Dig/v_Dig_g13_c04": WhyNot.NO_BOXES,
        "Dig/v_Dig_g13_c05": WhyNot.NO_VECTORS,
    }
    found = with_not_measured(coverage, {**dict.fromkeys(names, tubes), "Dig/v_Dig_g14_c01": ()}, passed)
    said = [
        "2 clips without boxes in the box file: left out (Dig/v_Dig_g13_c03, ...)",
        "1 clip without motion vectors: left out (Dig/v_Dig_g13_c05)",
        "1 clip of the box file that this workspace does not have: left out (Dig/v_Dig_g13_c02)",
    ]
    assert coverage_json(found)["remarks"] == said
    assert len(coverage_json(found)["clips_left_out"]) == 4
    assert all(f"- {line}" in coverage_markdown(found) for line in said)
    print_coverage(LineConsole(width=80), found, write_coverage(found, tmp_path))
    assert [line for line in capsys.readouterr().out.splitlines() if "left out" in line] == said
    assert "left out" not in coverage_markdown(coverage)


def test_the_terminal_has_a_short_table_without_markup(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Eleven policies and ceilings, a line each; the row of the centre crop has the numbers of the report."""
    coverage = measure_coverage(CLIPS, CoverageSettings())
    print_coverage(LineConsole(width=80), coverage, write_coverage(coverage, tmp_path))
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert len(lines) < 20
    assert "|" not in said
    assert "**" not in said
    assert lines[1].split() == ["policy", "whole", "area", "0.75", "area", "0.5", "area", "0.25", "area", "0.1"]
    row = next(line for line in lines if line.startswith("center "))
    inside = {ratio: found for (name, ratio), found in rows_of(coverage).items() if name == "center"}
    assert row.split()[1:] == [f"{100 * inside[r].estimates['inside'].mean:.1f}" for r in (0.75, 0.5, 0.25, 0.1)]
    assert all(len(line) <= 80 for line in lines[1:12])


def test_what_an_older_motion_store_cannot_tell_is_left_out_and_said_or_an_error_if_asked_for() -> None:
    old = dataclasses.replace(clip("Dig/b"), motion=dataclasses.replace(motion(), seconds=None, picture=None))
    coverage = measure_coverage([clip("Dig/a"), old], CoverageSettings(ratios=(0.5,)))
    assert set(coverage.left_out) == {"picture", "follow"}
    assert not {"picture", "follow"} & set(coverage.variants)
    assert "follow is left out: Dig/b: " in coverage_markdown(coverage)
    assert len(coverage_json(coverage)["remarks"]) == 2
    with pytest.raises(MotionStoreError, match="extract-mv"):
        measure_coverage([old], coverage_settings(policies=["follow"]))


def test_bars_that_are_cut_off_make_smaller_boxes() -> None:
    """A tenth of the frame above and below is bar: the whole picture is 0.8 of it, half of the picture 0.4."""
    coverage = measure_coverage(CLIPS, coverage_settings(ratios=[0.5], bars="cut"))
    found = rows_of(coverage)
    areas = {name: found[name, ratio].estimates["area"].mean for name, ratio in (("picture", 1.0), ("center", 0.5))}
    assert areas == pytest.approx({"picture": 0.8, "center": 0.4})
    assert "| picture | 0.8 | " in coverage_table(coverage)


def test_the_result_does_not_depend_on_the_order_of_clips() -> None:
    settings = CoverageSettings(ratios=(0.25, 0.5))
    there, back = measure_coverage(CLIPS, settings), measure_coverage(CLIPS[::-1], settings)
    for at in ("slots", "frames"):
        assert np.array_equal(there.values[at], back.values[at][::-1])


def test_a_ratio_without_a_box_is_shown_and_not_counted() -> None:
    """No rectangle of 1x2 cells is a tenth of the frame."""
    variants = {"center": CenterSettings(), "motion": MotionSettings(grid=(1, 2), ratio=0.5)}
    coverage = measure_coverage(CLIPS, CoverageSettings(variants=variants, ratios=(0.1, 0.5)))
    assert "| motion | 0.1 | no box | - | - | no box | no box |" in coverage_table(coverage)
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
    options = {"slots": 8, "select": "uniform"}
    settings = coverage_settings(policies=["motion"], camera="compensate", ratios=[0.5], groups="13-25", **options)
    assert list(settings.variants) == ["center", "motion"]
    assert settings.variants["motion"] == MotionSettings(camera="compensate")
    assert (settings.ratios, settings.groups, settings.leave_out) == ((0.5,), range(13, 26), False)
    assert (settings.slots, settings.select) == (8, "uniform")
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
        ({"bars": "hide"}, "bars"),
        ({"select": "all"}, "select"),
        ({"slots": 0}, "slots"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], fact: str) -> None:
    with pytest.raises(SettingsError, match=fact):
        coverage_settings(**options)  # type: ignore[arg-type]


def test_every_policy_is_measured_by_default() -> None:
    assert set(VARIANTS) >= set(POLICIES) - {"maps"}
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
    inside = {key: row.estimates["inside"].mean for key, row in rows_of(coverage, at="frames").items()}
    for ratio in (0.5, 0.25):
        assert inside["adaptive", ratio] >= inside["center", ratio]
        assert inside["adaptive", ratio] >= inside["motion", ratio]


def test_clips_without_one_class_are_in_no_row_of_a_class() -> None:
    sets = _sets(["", "Dig", ""], np.array([True, True, False]))
    assert {name: members.tolist() for name, members in sets.items()} == {
        "all": [True] * 3,
        "class Dig": [False, True, False],
        "camera still": [True, True, False],
        "camera moves": [False, False, True],
    }
