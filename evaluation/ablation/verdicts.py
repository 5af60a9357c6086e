"""The questions that an ablation is run for, answered by its tests alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mocrop.evaluation.ablation.families import question_of
from mocrop.evaluation.scores.comparisons import Comparison, Verdict

QUESTIONS: Mapping[tuple[str, str], str] = {  # by policy and what it is compared with
    ("picture", "full"): "Does the whole picture without black bars beat the whole frame?",
    ("motion", "full"): "Does the paper's crop (motion) beat the whole frame?",
    ("motion", "picture"): "Does motion beat the whole picture without bars?",
    ("motion", "center"): "Does motion beat a plain centre crop of the same area?",
    ("motion-v2", "full"): "Does version 2 (motion-v2) beat the whole frame?",
    ("motion-v2", "picture"): "Does motion-v2 beat the whole picture without bars?",
    ("motion-v2", "center"): "Does motion-v2 beat a plain centre crop of the same area?",
    ("adaptive", "full"): "Does adaptive beat the whole frame?",
    ("adaptive", "picture"): "Does adaptive beat the whole picture without bars?",
    ("adaptive", "center"): "Does adaptive beat a plain centre crop of the same area?",
    ("adaptive", "center-frame"): "Does adaptive beat a centre crop of the same area and shape?",
    ("follow", "full"): "Does the moving box (follow) beat the whole frame?",
    ("follow", "picture"): "Does follow beat the whole picture without bars?",
    ("follow", "center"): "Does follow beat a plain centre crop of the same area?",
    ("follow", "center-frame"): "Does follow beat a centre crop of the same area and shape?",
    ("follow", "adaptive"): "Does follow beat the box that stands still (adaptive)?",
    ("center", "full"): "Does a plain centre crop beat the whole frame?",
    ("center", "picture"): "Does a plain centre crop beat the whole picture without bars?",
    ("center-frame", "full"): "Does a centre crop of the frame's shape beat the whole frame?",
    ("center-frame", "picture"): "Does a centre crop of the frame's shape beat the whole picture without bars?",
    ("center-frame", "center"): "Does a centre crop of the frame's shape beat a plain one of the same area?",
    ("random", "full"): "Does a crop anywhere (random) beat the whole frame?",
    ("random", "picture"): "Does a crop anywhere beat the whole picture without bars?",
    ("random", "center"): "Does a crop anywhere beat a plain centre crop of the same area?",
    ("fields", "full"): "Do motion fields alone beat the whole frame?",
    ("full + fields", "full"): "Does the whole frame fused with motion fields beat it alone?",
    ("full + center", "full"): "Does the whole frame fused with a centre crop beat it alone?",
    ("full + fields", "full + center"): "Are motion fields the better second stream of the two?",
}
FULL_DATA, FEW_SHOT, BUDGET = (
    "trained on the whole list, of these checkpoints",
    "trained on a few groups",
    "at equal operations, each with its best area, size and frames",
)


def answers(protocols: Mapping[str, Sequence[Comparison]]) -> list[str]:
    """One line a question that the comparisons can answer.

    Args:
        protocols: comparisons by how they were made, in words.
    """
    lines = []
    for key, question in QUESTIONS.items():
        chosen = {name: [each for each in family if question_of(each) == key] for name, family in protocols.items()}
        if any(chosen.values()):
            lines.append(f"{question} {answer(chosen)}")
    return lines


def answer(protocols: Mapping[str, Sequence[Comparison]]) -> str:
    """The answer to one question from its comparisons, with counts of verdicts and the range of the differences."""
    parts = [f"{name}: {tally(family)}" for name, family in protocols.items() if family]
    return f"**{overall([each for family in protocols.values() for each in family])}** {'; '.join(parts)}."


def overall(comparisons: Sequence[Comparison]) -> str:
    """One phrase for all comparisons of a question.

    "Yes" needs every comparison to be shown better, "no" every one to be shown worse; anything else says what it is.
    """
    counts = Counter(each.verdict for each in comparisons)
    better, worse, total = counts[Verdict.BETTER], counts[Verdict.WORSE], len(comparisons)
    if not better and not worse:
        return "No difference shown."
    if better == total:
        return "Yes."
    if worse == total:
        return "No, it is worse."
    if better and worse:
        return "It depends: better in some settings, worse in others."
    where = f"in {better or worse} of {total} settings, no difference shown in the others."
    return f"{'Better' if better else 'Worse'} {where}"


def tally(comparisons: Sequence[Comparison]) -> str:
    """Counts of verdicts, and the range of the differences.

    The range is over settings; each setting's interval is in the tables.
    """
    return tally_of([{"verdict": each.verdict, "difference": {"mean": each.difference.mean}} for each in comparisons])


def tally_of(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """The same, of comparisons as report.json has them."""
    counts = Counter(Verdict(each["verdict"]) for each in comparisons)
    differences = [100 * each["difference"]["mean"] for each in comparisons]
    shown = f"{counts[Verdict.BETTER]} better, {counts[Verdict.WORSE]} worse, {counts[Verdict.NOT_SHOWN]} not shown"
    return f"{shown} of {len(comparisons)} ({min(differences):+.1f} to {max(differences):+.1f} points)"
