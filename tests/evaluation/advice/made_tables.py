"""Tables as if they had been measured, and facts of clips, for tests of advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mocrop.evaluation.advice.measured import AccuracyTable, Measured, Tested
from mocrop.evaluation.advice.motion_facts import MotionFacts
from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.evaluation.scores.statistics import Estimate

BETTER, WORSE, NOT_SHOWN = Verdict.BETTER, Verdict.WORSE, Verdict.NOT_SHOWN
ALL_BETTER = {"full": BETTER, "picture": BETTER, "center-frame 0.25": BETTER, "center 0.25": BETTER}
SIGNS = {BETTER: 0.03, WORSE: -0.03, NOT_SHOWN: 0.001}


def table(
    tests: Mapping[str, Mapping[str, Verdict]],
    *,
    data: str = "made clips",
    still: float = 1.0,
    spread: float = 0.1,
    accuracies: Sequence[tuple[str, int, int, float]] = (),
) -> AccuracyTable:
    """A table of tests by variant and base, and of accuracies: variant, size, frames, share."""
    given = {(variant, size, frames) for variant, size, frames, _ in accuracies}
    measured = [Measured(variant=v, size=s, frames=f, gflops=0.2 * f, accuracy=a) for v, s, f, a in accuracies]
    measured += [
        Measured(variant=variant, size=160, frames=4, gflops=0.8, accuracy=0.5)
        for variant in tests
        if (variant, 160, 4) not in given
    ]
    return AccuracyTable(
        data=data,
        backbone="lite0",
        still=still,
        spread=spread,
        clips=300,
        groups=2,
        size=160,
        frames=4,
        tested=tuple(
            Tested(
                variant=variant,
                base=base,
                difference=Estimate(mean=SIGNS[verdict], low=SIGNS[verdict] - 0.02, high=SIGNS[verdict] + 0.02),
                verdict=verdict,
            )
            for variant, bases in tests.items()
            for base, verdict in bases.items()
        ),
        measured=tuple(measured),
    )


def clip(
    *, frames: int = 200, key_frames: int = 17, still: bool = True, spread: float | None = 0.1, bars: float = 0.0
) -> MotionFacts:
    """A clip of a still camera with key frames enough."""
    return MotionFacts(frames=frames, key_frames=key_frames, still=still, spread=spread, bars=bars)
