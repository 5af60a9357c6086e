"""What a scan of a data set has found: its table of counts, its issues, and what is left out, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mocrop.pipeline.csv_file import write_csv
from mocrop.pipeline.dataset.issue_codes import IssueCode
from mocrop.pipeline.dataset.issues import Issue
from mocrop.pipeline.dataset.listed_subsets import TEST, TRAIN, UNUSED, VAL
from mocrop.pipeline.dataset.splits import Splits
from mocrop.pipeline.workspace.manifest import ClipRow
from mocrop.pipeline.workspace.paths import Workspace

LEFT_OUT_FILE = "init/left-out.csv"  # in reports/
EXAMPLES = 3  # rows that are shown
SUBSET_NAMES = {UNUSED: "in no subset", TRAIN: "train", TEST: "test", VAL: "validation"}
UNREADABLE = frozenset(
    {IssueCode.EMPTY_FILE, IssueCode.NO_PERMISSION, IssueCode.NOT_A_FILE, IssueCode.NAME_NOT_UTF8}
    | {IssueCode.UNREADABLE_FOLDER}
)


@dataclass(frozen=True, kw_only=True)
class SubsetCounts:
    """Clips of a split by subset."""

    train: int
    val: int
    test: int
    none: int


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """What the scan of a data set has found."""

    workspace: Path
    dataset: Path
    clips: int
    classes: int  # with clips
    listed_classes: int
    class_clips: Mapping[str, int]  # by class, in their order; a clip with several labels counts in each
    several_labels: bool  # a clip may have several
    absent: int  # clips that an earlier scan found and this one did not
    splits: Mapping[str, SubsetCounts]  # by name
    listed: int  # different clips in the lists; 0: the folders say
    missing: int  # of those, not on disk
    in_no_list: int  # clips that no list names
    unreadable: int  # files and folders: empty, of no readable name, without permission, or links to nowhere
    suffixes: Mapping[str, int]  # videos by suffix, in lower case, most frequent first
    issues: tuple[Issue, ...]
    form: str  # of the annotations or folders, as for --format; "": the clips are not labelled
    why: str  # how it was recognised
    left_out: Path | None  # file that names every row that gives no labelled clip; None: there is none
    examples: tuple[tuple[str, str, str], ...] = ()  # a few clips with their class and subset, to look whether it fits


def dataset_report(
    workspace: Workspace,
    dataset: Path,
    lists: Splits,
    rows: Sequence[ClipRow],
    issues: Sequence[Issue],
    *,
    absent: int,
    left_out: Path | None,
) -> DatasetReport:
    """Count what a scan has found.

    Args:
        rows: the clips as the manifest has them.
        issues: of the folders, the lists and the comparison with an earlier scan.
    """
    noted = {issue.code: issue.count for issue in issues}
    labels = Counter(index for row in rows for index in row.labels or (row.label,))
    videos = {row.path for row in rows}
    suffixes = Counter(PurePosixPath(path).suffix.lower() for path in videos)
    return DatasetReport(
        workspace=workspace.root,
        dataset=dataset,
        clips=len(rows),
        classes=sum(index >= 0 for index in labels),
        listed_classes=len(lists.class_names),
        class_clips={name: labels[index] for index, name in enumerate(lists.class_names)},
        several_labels=bool(lists.several),
        absent=absent,
        splits={name: _counts([row.subset[n] for row in rows]) for n, name in enumerate(lists.split_names)},
        listed=lists.listed,
        missing=noted.get(IssueCode.NOT_ON_DISK, 0),
        in_no_list=lists.unlisted,
        unreadable=sum(noted.get(code, 0) for code in UNREADABLE),
        suffixes=dict(suffixes.most_common()),
        issues=tuple(issues),
        form=lists.form.format.name if lists.form else "",
        why=lists.form.why if lists.form else "",
        left_out=left_out,
        examples=_examples(rows, lists.class_names),
    )


def write_left_out(workspace: Workspace, lists: Splits) -> Path | None:
    """Write what the rows of lists lose, a line each; a file of an earlier scan goes if nothing is lost now."""
    file = workspace.reports / LEFT_OUT_FILE
    if not lists.in_full:
        file.unlink(missing_ok=True)
        return None
    write_csv(("code", "what", "reason"), lists.in_full, file)
    return file


def _counts(codes: Sequence[int]) -> SubsetCounts:
    count = Counter(codes)
    return SubsetCounts(train=count[TRAIN], val=count[VAL], test=count[TEST], none=count[UNUSED])


def _examples(rows: Sequence[ClipRow], class_names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """Clip, class and subset of up to three clips: the first of each subset, then the first ones."""
    first = {row.subset[:1]: row for row in reversed(rows)}
    in_order = (first[code] for code in ((TRAIN,), (VAL,), (TEST,), (UNUSED,)) if code in first)
    chosen = list({row.name: row for row in (*in_order, *rows[:EXAMPLES])}.values())[:EXAMPLES]
    names = [" + ".join(class_names[index] for index in row.labels or (row.label,) if index >= 0) for row in chosen]
    sides = [SUBSET_NAMES[row.subset[0]] if row.subset else "no split" for row in chosen]
    return tuple((row.name, name or "no class", side) for row, name, side in zip(chosen, names, sides, strict=True))
