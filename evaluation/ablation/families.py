"""Which comparisons are tested, and which tests are corrected together: fixed before any result is seen.

An ablation makes thousands of comparisons, and a correction over all of them would show nothing. So it tests few:

- a question is one policy against one base; its tests of one kind, of those below, are one family, corrected after
  Holm for their number;
- trained on few groups: in the main view (the middle size, the most frames, the first pool), at every area and number
  of groups;
- trained on the whole list: in the main view, at every area;
- at equal operations and at equal accuracy: at the middle number of groups, with what each policy needs to choose
  chosen on other clips than it is judged by (see :mod:`~mocrop.evaluation.ablation.operations`).

All else is description: accuracies and intervals without a verdict. Several questions are asked in several ways, each
at 5 %: of twenty families without any difference one shows some.
"""

from __future__ import annotations

from collections.abc import Sequence

from mocrop.evaluation.scores.comparisons import Comparison, corrected


def corrected_by_question(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Correct the tests of each question for their number, and give the verdicts; in the order that they came."""
    families: dict[tuple[str, str], list[int]] = {}
    for number, each in enumerate(comparisons):
        families.setdefault(question_of(each), []).append(number)
    found: dict[int, Comparison] = {}
    for numbers in families.values():
        found.update(zip(numbers, corrected([comparisons[number] for number in numbers]), strict=True))
    return [found[number] for number in range(len(comparisons))]


def question_of(comparison: Comparison) -> tuple[str, str]:
    """The policies that are compared, whatever their areas."""
    return policy_of(comparison.variant), policy_of(comparison.base)


def policy_of(variant: str) -> str:
    """A variant's name without its area.

    >>> policy_of("motion-v2 0.5"), policy_of("full + center 0.75")
    ('motion-v2', 'full + center')
    """
    return " + ".join(part.split(" ", 1)[0] for part in variant.split(" + "))
