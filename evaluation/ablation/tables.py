"""The tables of an ablation's report, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mocrop.evaluation.ablation.few_shot_results import PairChange
from mocrop.evaluation.ablation.outcomes import ClassChange, Condition
from mocrop.evaluation.ablation.verdicts import tally
from mocrop.evaluation.report.format import Markdown, in_code, in_markdown, markdown_table, points
from mocrop.evaluation.scores.comparisons import Comparison, Verdict
from mocrop.evaluation.scores.statistics import format_p

if TYPE_CHECKING:
    from mocrop.evaluation.ablation.result import AblationResult

MARKS = {
    Verdict.BETTER: Markdown("**better**"),
    Verdict.WORSE: Markdown("**worse**"),
    Verdict.NOT_SHOWN: Markdown("not shown"),
}


def facts(result: AblationResult) -> list[str]:
    """Paragraphs on how the numbers were made, which a reader needs to judge the tables."""
    settings, outcomes = result.settings, result.outcomes
    training = settings.training
    arch, weights = in_markdown(training.arch), in_code(training.weights)
    how = "its head alone trained on frozen features" if training.freeze_backbone else "fine-tuned"
    clips, groups = len(outcomes.clips.names), len(np.unique(outcomes.clips.clusters))
    splits, seeds = in_markdown(", ".join(settings.splits)), ", ".join(map(str, settings.seeds))
    one = len(settings.seeds) == 1
    paragraphs = [
        f"{arch} from weights {weights}, {how}, {training.epochs} epochs; {clips} test clips of "
        f"{groups} groups (splits {splits}; {outcomes.left_out} left out because a cache lacks them), "
        f"{settings.segments} frames a clip, seeds {seeds}. A clip that several lists test counts once.",
        "Differences are on the same clips, in points of top-1; intervals are 95 %, from drawing whole groups anew. A "
        "difference counts as shown if the corrected test (Holm, over all rows of its table) is below 0.05 and the "
        "interval is without 0. On the whole list the test is McNemar's, exact; it takes clips for independent, which "
        "those of one group are not.",
        "One seed: all of it is about these checkpoints, not about what other seeds would have given."
        if one
        else "Accuracies and intervals are of the mean over seeds, McNemar's test is of the mean of their logits; "
        "neither says what other seeds would have given.",
    ]
    if outcomes.seen_in_training:
        paragraphs.append(
            f"WARNING: networks have seen up to {outcomes.seen_in_training} clips of a test list in training, as the "
            f"weights {weights} that they started from were trained on them; the accuracies are too good."
        )
    if result.failed:
        paragraphs.append(
            f"{result.failed} clips failed in precrop, for one cache or for several, and no test counts them; "
            "`mocrop status --failed` names them."
        )
    if settings.few_shot:
        paragraphs.append(
            f"Few groups: {settings.few_shot.draws} draws of whole groups to train on, the rest tested; logistic "
            "regression on the mean features of each clip. The test flips the signs of groups. Draws share their "
            "clips: the interval over draws is of the mean over draws for these clips, the one over groups for clips "
            "like them."
        )
    return paragraphs


def summary_table(result: AblationResult) -> str:
    """Counts of verdicts by variant and base."""
    rows = []
    for variant in result.settings.variants:
        families = [
            [each for each in family if each.variant == variant.name] for family in (result.full_data, result.few_shot)
        ]
        bases = list(dict.fromkeys(each.base for family in families for each in family))
        for base in bases:
            cells = [
                tally(chosen) if chosen else "-" for chosen in ([e for e in f if e.base == base] for f in families)
            ]
            rows.append([variant.name, base, *cells])
    return markdown_table(["crop", "against", "whole list", "few groups"], rows)


def condition_table(result: AblationResult) -> str:
    """As the paper's Table 1: one row a crop, a column for each pair of sizes, and the cost of a frame."""
    sizes = result.settings.sizes
    pairs = [(train, test) for train in sizes for test in sizes]
    reference = Condition(variant=result.settings.variants[0], train_size=max(sizes), test_size=max(sizes))
    base = result.outcomes.by_condition[reference].accuracy.mean
    areas = {area.variant: area for area in result.areas}
    rows = []
    for variant in result.settings.variants:
        area = areas[variant.name]
        cells = [variant.name, f"{area.area:.3f}"]
        for train, test in pairs:
            condition = Condition(variant=variant, train_size=train, test_size=test)
            accuracy = result.outcomes.by_condition[condition].accuracy
            delta = "" if condition == reference else f" ({100 * (accuracy.mean - base):+.1f})"
            cells.append(f"{100 * accuracy.mean:.1f}{delta} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]")
        rows.append(cells)
    header = ["crop", "area", *(f"trained {train}, tested {test}" for train, test in pairs)]
    gflops = {cost.size: cost.frame_gflops for cost in result.costs}
    rows.append(["GFLOPs a frame", "", *(f"{gflops[test]:.3f}" for _, test in pairs)])
    largest = gflops[max(sizes)]
    rows.append(["against the largest", "", *(f"{gflops[test] / largest - 1:+.0%}" for _, test in pairs)])
    note = f"Top-1 in %, in round brackets the difference to `full` trained and tested at {max(sizes)}.\n\n"
    return note + markdown_table(header, rows)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """One row a comparison."""
    draws = any(each.over_draws for each in comparisons)
    header = ["sizes" if not draws else "trained on", "crop", "against", "top-1", "difference"]
    header += ["over draws"] if draws else ["gained / lost"]
    rows = []
    for each in comparisons:
        extra = points(each.over_draws) if each.over_draws else f"{each.gained} / {each.lost}"
        accuracy = f"{100 * each.accuracy:.1f}"
        cells = [each.where, each.variant, each.base, accuracy, points(each.difference), extra]
        rows.append([*cells, format_p(each.p_value), format_p(each.p_corrected), MARKS[each.verdict]])
    return markdown_table([*header, "p", "p corrected", "difference shown"], rows)


def stream_note(result: AblationResult) -> str:
    """What the second stream is, and what its control is for."""
    stream = result.settings.stream
    assert stream is not None
    arch, weights = in_markdown(stream.arch), in_code(stream.weights)
    return (
        f"`fields` is {arch} from weights {weights}, trained throughout on the motion fields of whole "
        "frames; `+` is late fusion of two networks of one split and seed, half the weight each. Any two networks "
        "together tend to beat one: the fusion with the network of the centre crop is the control.\n"
    )


def curve_table(comparisons: Sequence[Comparison], base: str) -> str:
    """Differences to one base: a row a crop, a column a setting; bold where a difference is shown.

    Args:
        base: a policy; that of the same area where it crops.
    """
    chosen = [each for each in comparisons if each.base.split(" ")[0] == base]
    columns = list(dict.fromkeys(each.where for each in comparisons))
    found = {(each.variant, each.where): each for each in chosen}
    rows = []
    for variant in dict.fromkeys(each.variant for each in chosen):
        cells = (found[variant, column] for column in columns)
        rows.append([variant, *(_bold(points(each.difference), each.verdict) for each in cells)])
    return markdown_table([f"crop, against {base}", *columns], rows)


def _bold(text: str, verdict: Verdict) -> str:
    return text if verdict is Verdict.NOT_SHOWN else Markdown(f"**{text}**")


def pair_table(pairs: Sequence[PairChange]) -> str:
    """The pairs of classes that `full` confuses most, under each crop."""
    rows = [
        [
            str(each.size),
            str(each.groups),
            " / ".join(each.classes),
            each.variant,
            f"{100 * each.rate.mean:.1f}",
            "-" if each.variant == "full" else points(each.over_full),
        ]
        for each in pairs
    ]
    note = (
        "Share of the clips of two classes that are taken for the other, in %; intervals over draws, uncorrected.\n\n"
    )
    return note + markdown_table(["size", "groups", "classes", "crop", "confused", "against full"], rows)


def class_table(classes: Sequence[ClassChange], *, most: int = 30) -> str:
    """Clips gained and lost by class, largest changes first."""
    moved = [each for each in classes if each.gained or each.lost]
    chosen = sorted(moved, key=lambda each: -abs(each.gained - each.lost))[:most]
    rows = [[each.name, str(each.clips), *_where(each), f"+{each.gained}", f"-{each.lost}"] for each in chosen]
    rest = len(moved) - len(chosen)
    note = f"The {len(chosen)} largest of {len(moved)} changes; report.json has all.\n\n" if rest else ""
    return note + markdown_table(["class", "clips", "sizes", "crop", "against", "gained", "lost"], rows)


def _where(change: ClassChange) -> tuple[str, str, str]:
    return change.condition.sizes, change.condition.variant.name, change.base
