"""The questions that an ablation is run for, answered by its tests alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mocrop.evaluation.scores.comparisons import Comparison, Verdict

QUESTIONS: Mapping[tuple[str, str], str] = {  # by policy and what it is compared with
    ("motion", "full"): "Does the paper's crop (motion) beat the whole frame?",
    ("motion", "center"): "Does motion beat a plain centre crop of the same area?",
    ("motion-v2", "full"): "Does version 2 (motion-v2) beat the whole frame?",
    ("motion-v2", "center"): "Does motion-v2 beat a plain centre crop of the same area?",
    ("adaptive", "full"): "Does adaptive beat the whole frame?",
    ("adaptive", "center"): "Does adaptive beat a plain centre crop of the same area?",
    ("adaptive", "center-frame"): "Does adaptive beat a centre crop of the same area and shape?",
    ("center", "full"): "Does a plain centre crop beat the whole frame?",
    ("random", "full"): "Does a crop anywhere (random) beat the whole frame?",
    ("fields", "full"): "Do motion fields alone beat the whole frame?",
    ("full + fields", "full"): "Does the whole frame fused with motion fields beat it alone?",
    ("full + center", "full"): "Does the whole frame fused with a centre crop beat it alone?",
    ("full + fields", "full + center"): "Are motion fields the better second stream of the two?",
}


def answers(full_data: Sequence[Comparison], few_shot: Sequence[Comparison]) -> list[str]:
    """One line a question that the comparisons can answer."""
    lines = []
    for (policy, base), question in QUESTIONS.items():
        chosen = [
            [each for each in family if _policy(each.variant) == policy and _policy(each.base) == base]
            for family in (full_data, few_shot)
        ]
        if any(chosen):
            lines.append(f"{question} {answer(*chosen)}")
    return lines


def answer(full_data: Sequence[Comparison], few_shot: Sequence[Comparison]) -> str:
    """The answer to one question from its comparisons, with counts of verdicts and the range of the differences."""
    parts = [
        f"{name}: {tally(family)}"
        for name, family in (
            ("trained on the whole list, of these checkpoints", full_data),
            ("trained on a few groups", few_shot),
        )
        if family
    ]
    return f"**{overall([*full_data, *few_shot])}** {'; '.join(parts)}."


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
    counts = Counter(each.verdict for each in comparisons)
    differences = [100 * each.difference.mean for each in comparisons]
    shown = f"{counts[Verdict.BETTER]} better, {counts[Verdict.WORSE]} worse, {counts[Verdict.NOT_SHOWN]} not shown"
    return f"{shown} of {len(comparisons)} ({min(differences):+.1f} to {max(differences):+.1f} points)"


def _policy(variant: str) -> str:
    """A variant's name without its area.

    >>> _policy("motion-v2 0.5"), _policy("full + center 0.75")
    ('motion-v2', 'full + center')
    """
    return " + ".join(part.split(" ", 1)[0] for part in variant.split(" + "))
