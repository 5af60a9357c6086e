from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.outcome import Outcome
from mocrop.pipeline.run.plan import Why, as_if_done, decision_on, plan_stage
from mocrop.pipeline.span import Span
from mocrop.pipeline.stages.contract import Stage, WorkUnit
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.workspace.manifest import StageRow


def nothing(unit: WorkUnit, settings: object, workspace: str) -> list[Outcome]:
    return []


TRANSCODE = Stage(
    name="transcode",
    function=nothing,
    settings=TranscodeSettings(),
    version=1,
    clips_per_unit=2,
    writes_shards=False,
    output=lambda position, name: Path("/"),
)
EXTRACT = replace(TRANSCODE, name="extract-mv", upstream=TRANSCODE, writes_shards=True, clips_per_unit=3)
PRECROP = replace(EXTRACT, name="precrop:m", upstream=EXTRACT)

FRESH = StageRow(
    position=0,
    name="A/b",
    path="A/b.avi",
    present=True,
    status="done",
    same_settings=True,
    same_source=True,
    reasons=(),
    upstream_current=True,
    upstream_status="done",
    upstream_reasons=(),
    upstream_message="",
)
BLOCKED = replace(FRESH, status="failed", reasons=(Reason.EARLIER_STAGE_FAILED,))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (FRESH, None),
        (replace(FRESH, status=None), Why.NEW),
        (replace(FRESH, same_settings=False), Why.SETTINGS_CHANGED),
        (replace(FRESH, same_source=False), Why.SOURCE_CHANGED),
        (replace(FRESH, status="failed", reasons=(Reason.TRUNCATED,)), None),
        (replace(FRESH, status="failed", same_source=False), Why.SOURCE_CHANGED),
        (BLOCKED, Why.EARLIER_STAGE_CHANGED),
        (replace(BLOCKED, upstream_status="failed"), None),
        (replace(FRESH, upstream_status="failed"), Why.EARLIER_STAGE_CHANGED),
        (replace(FRESH, present=False), Why.SOURCE_GONE),
        (replace(FRESH, present=False, status="failed", reasons=(Reason.VANISHED,)), None),
        (replace(FRESH, present=False, status=None), None),
    ],
)
def test_a_clip_runs_for_the_reason_that_applies(row: StageRow, why: Why | None) -> None:
    assert decision_on(row, EXTRACT).why == why


def test_a_lost_output_is_made_again() -> None:
    lost = replace(TRANSCODE, output=lambda position, name: Path("/nowhere") / name)
    assert decision_on(FRESH, lost).why is Why.OUTPUT_MISSING
    assert decision_on(replace(FRESH, status="failed"), lost).why is None


def test_a_clip_waits_until_the_stage_before_has_run() -> None:
    decision = decision_on(replace(FRESH, status=None, upstream_current=False, upstream_status=None), EXTRACT)
    assert decision.waits
    assert decision.why is None


def units(stage: Stage, *rows: StageRow) -> tuple[WorkUnit, ...]:
    placed = [replace(row, position=n, name=f"A/{n}", path=f"A/{n}.avi") for n, row in enumerate(rows)]
    return plan_stage(placed, stage, dataset=Path("/data")).units


def test_without_shards_only_what_needs_it_runs() -> None:
    new = replace(FRESH, status=None)
    assert [[c.position for c in u.clips] for u in units(TRANSCODE, FRESH, new, FRESH, FRESH, new, new)] == [
        [1],
        [4, 5],
    ]


def test_a_shard_runs_as_a_whole_or_not_at_all() -> None:
    new = replace(FRESH, status=None)
    planned = units(EXTRACT, FRESH, FRESH, FRESH, FRESH, new, FRESH, FRESH)
    assert [(u.index, [c.position for c in u.clips]) for u in planned] == [(1, [3, 4, 5])]


def test_clips_that_share_a_shard_are_counted_with_that_reason() -> None:
    rows = [replace(FRESH, position=n, status=None if n == 1 else "done") for n in range(3)]
    plan = plan_stage(rows, EXTRACT, dataset=Path("/data"))
    assert len(plan.units) == 1
    assert plan.counts.why == {Why.NEW: 1, Why.SHARES_A_SHARD: 2}
    assert plan.counts.to_run == 3


def test_a_waiting_clip_has_a_row_in_its_shard_and_no_outcome() -> None:
    waiting = replace(FRESH, status=None, upstream_current=False)
    (unit,) = units(EXTRACT, replace(FRESH, status=None), waiting)
    assert unit.clips[0].refusal is None
    assert unit.clips[1].refusal is not None
    assert unit.clips[1].refusal[0] is Reason.EARLIER_STAGE_MISSING


def test_what_failed_before_is_refused_with_the_first_cause() -> None:
    broken = replace(FRESH, status=None, upstream_status="failed", upstream_reasons=(Reason.EMPTY_FILE,))
    (unit,) = units(EXTRACT, replace(broken, upstream_message="A/0: the file is empty"))
    assert unit.clips[0].refusal == (Reason.EARLIER_STAGE_FAILED, "transcode failed: A/0: the file is empty")
    passed_on = replace(broken, upstream_reasons=(Reason.EARLIER_STAGE_FAILED,), upstream_message="transcode failed: x")
    (unit,) = units(PRECROP, passed_on)
    assert unit.clips[0].refusal == (Reason.EARLIER_STAGE_FAILED, "transcode failed: x")


def test_a_codec_without_vectors_is_left_out_with_that_reason_and_comes_back_when_it_has_some() -> None:
    row = replace(
        FRESH,
        status=None,
        upstream_status="failed",
        upstream_reasons=(Reason.NO_MOTION_VECTORS,),
        upstream_message="A/0: hevc has no vectors",
    )
    (unit,) = units(PRECROP, row)
    assert unit.clips[0].refusal == (Reason.NO_MOTION_VECTORS, "A/0: hevc has no vectors")
    whole_frame_of_before = replace(row, status="done", reasons=(Reason.WHOLE_FRAME,))
    assert decision_on(whole_frame_of_before, PRECROP).why is Why.EARLIER_STAGE_CHANGED
    left_out = replace(row, status="failed", reasons=(Reason.NO_MOTION_VECTORS,))
    assert decision_on(left_out, PRECROP).why is None
    mended = replace(left_out, upstream_status="done", upstream_reasons=())
    assert decision_on(mended, PRECROP).why is Why.EARLIER_STAGE_CHANGED


def test_a_failure_of_the_first_stage_is_its_own_and_not_passed_on_by_anything() -> None:
    from_originals = replace(EXTRACT, upstream=None)
    failed = replace(FRESH, status="failed", reasons=(Reason.NO_MOTION_VECTORS,), upstream_status=None)
    assert decision_on(failed, from_originals).why is None


OWN = replace(FRESH, upstream_reasons=(Reason.OWN_FILE_SERVES,))


@pytest.mark.parametrize(
    ("reasons", "before", "why"),
    [
        ((Reason.OWN_FILE_SERVES,), (Reason.OWN_FILE_SERVES,), None),
        ((), (Reason.OWN_FILE_SERVES,), Why.EARLIER_STAGE_CHANGED),
        ((Reason.OWN_FILE_SERVES, Reason.ROTATED), (Reason.OWN_FILE_FALLS_SHORT,), Why.EARLIER_STAGE_CHANGED),
        ((), (Reason.OWN_FILE_FALLS_SHORT,), None),
    ],
)
def test_a_clip_runs_again_when_the_stage_before_has_its_other_file(
    reasons: tuple[Reason, ...], before: tuple[Reason, ...], why: Why | None
) -> None:
    assert decision_on(replace(FRESH, reasons=reasons, upstream_reasons=before), EXTRACT).why is why


def test_the_stage_before_says_whether_a_clip_is_read_from_its_own_file() -> None:
    rows = [replace(OWN, status=None), replace(FRESH, status=None), replace(OWN, status=None, upstream_status="failed")]
    (unit,) = units(EXTRACT, *rows)
    assert [clip.own_file for clip in unit.clips] == [True, False, False]


def test_a_clip_that_was_left_as_it_is_has_no_output_to_lose() -> None:
    lost = replace(TRANSCODE, output=lambda position, name: Path("/nowhere") / name)
    kept = replace(FRESH, reasons=(Reason.OWN_FILE_SERVES,))
    assert decision_on(kept, lost).why is None
    shard = replace(lost, writes_shards=True)
    assert decision_on(kept, shard).why is Why.OUTPUT_MISSING


def test_a_clip_whose_stage_before_is_to_run_is_planned_as_if_it_had() -> None:
    new = replace(FRESH, status=None, upstream_current=False, upstream_status=None)
    assert decision_on(as_if_done(new), EXTRACT).why is Why.NEW
    kept = replace(FRESH, reasons=(Reason.OWN_FILE_SERVES,), upstream_current=False, upstream_status=None)
    assert decision_on(as_if_done(kept), EXTRACT).why is None
    assert decision_on(as_if_done(replace(kept, same_settings=False)), EXTRACT).why is Why.SETTINGS_CHANGED


@given(st.lists(st.sampled_from([None, "done"]), max_size=40), st.integers(1, 7), st.booleans())
def test_every_clip_that_must_run_is_in_exactly_one_unit(
    statuses: list[str | None], per_unit: int, writes_shards: bool
) -> None:
    stage = replace(TRANSCODE, clips_per_unit=per_unit, writes_shards=writes_shards)
    planned = units(stage, *(replace(FRESH, status=status) for status in statuses))
    positions = [clip.position for unit in planned for clip in unit.clips]
    assert positions == sorted(set(positions))
    must = {n for n, status in enumerate(statuses) if status is None}
    assert must <= set(positions)
    if not writes_shards:
        assert must == set(positions)
    for unit in planned:
        assert len({clip.position // per_unit for clip in unit.clips}) == 1


def segments(path: str, *spans: tuple[float, float], first: int = 0) -> list[StageRow]:
    return [
        replace(FRESH, position=first + n, name=f"{path}#{n}", path=path, span=Span.seconds(*span), status=None)
        for n, span in enumerate(spans)
    ]


def units_of(rows: list[StageRow], *, entered: bool = True) -> list[list[int]]:
    asked: list[Path] = []

    def may_be_entered(path: Path) -> bool:
        asked.append(path)
        return entered

    plan = plan_stage(rows, TRANSCODE, dataset=Path("/data"), may_be_entered=may_be_entered)
    assert len(set(asked)) == len(asked)
    assert [unit.index for unit in plan.units] == list(range(len(plan.units)))
    return [[clip.position for clip in unit.clips] for unit in plan.units]


def test_neighbouring_segments_of_a_video_are_one_unit_by_their_start() -> None:
    rows = [
        *segments("A/a.mp4", (5, 6), (0, 9)),
        *segments("A/b.mp4", (0, 1), first=2),
        *segments("A/a.mp4", (3, 4), first=3),
    ]
    assert units_of(rows) == [[1, 3, 0], [2]]


def test_a_unit_holds_sixteen_segments_or_two_minutes() -> None:
    assert units_of(segments("A/a.mp4", *((n, n + 1) for n in range(20)))) == [[*range(16)], [*range(16, 20)]]
    assert units_of(segments("A/a.mp4", (0, 60), (60, 120), (120, 121))) == [[0, 1], [2]]
    assert units_of(segments("A/a.mp4", (0, 500), (500, 501))) == [[0], [1]]


def test_segments_of_a_video_that_cannot_be_entered_stay_together() -> None:
    assert units_of(segments("A/a.mp4", *((n, n + 1) for n in range(20))), entered=False) == [[*range(20)]]


def test_whole_clips_and_segments_are_in_different_units_and_shards_hold_both() -> None:
    whole = [replace(FRESH, status=None), replace(FRESH, position=3, status=None)]
    rows = [whole[0], *segments("A/a.mp4", (0, 1), (1, 2), first=1), whole[1]]
    assert units_of(rows) == [[0], [3], [1, 2]]
    plan = plan_stage(rows, EXTRACT, dataset=Path("/data"))
    assert [[clip.position for clip in unit.clips] for unit in plan.units] == [[0, 1, 2], [3]]


def test_a_task_has_the_span_of_its_row() -> None:
    (unit,) = plan_stage(segments("A/a.mp4", (1.5, 2)), TRANSCODE, dataset=Path("/data")).units
    assert (unit.clips[0].span, unit.clips[0].path) == (Span(1_500_000, 2_000_000), "/data/A/a.mp4")


@pytest.mark.parametrize(
    ("span", "fact"), [(None, "the file was gone"), (Span(0, 40_000), "its row in the list or its video was gone")]
)
def test_a_segment_can_be_gone_from_the_list_and_a_file_only_from_the_disk(span: Span | None, fact: str) -> None:
    row = replace(FRESH, name="A/a", span=span, present=False)
    ((task,),) = [unit.clips for unit in plan_stage([row], TRANSCODE, dataset=Path("/data")).units]
    assert task.refusal == (Reason.VANISHED, f"A/a: {fact} when the data set was last looked at")


def test_units_may_be_other_than_runs_of_neighbours_and_run_as_a_whole() -> None:
    stage = replace(EXTRACT, unit_of=lambda position: position % 2, tells=lambda position: f"it is {position}")
    rows = [replace(FRESH, position=n, name=f"A/{n}", status=None if n == 3 else "done") for n in range(5)]
    (unit,) = units(stage, *rows)
    assert unit.index == 1
    assert [(clip.position, clip.told) for clip in unit.clips] == [(1, "it is 1"), (3, "it is 3")]
    rows[0] = replace(rows[0], status=None)
    assert [[clip.position for clip in unit.clips] for unit in units(stage, *rows)] == [[0, 2, 4], [1, 3]]


def test_what_a_stage_that_tells_has_written_is_missed_whatever_file_it_read() -> None:
    kept = (Reason.OWN_FILE_SERVES,)
    row = replace(FRESH, reasons=kept, upstream_reasons=kept)
    lost = replace(TRANSCODE, output=lambda position, name: Path("/nowhere") / name)
    assert decision_on(row, lost).why is None
    assert decision_on(row, replace(lost, tells=str)).why is Why.OUTPUT_MISSING
