"""Compare boxes of `adaptive` and `follow` that count in the frame with boxes that count within its black bars.

    python benchmarks/coverage_bars.py --of real real-work actor-boxes.json

Only clips with bars count. Boxes of the same area are compared: first the share that was asked for of the frame, then
of the picture within the bars. Groups 1 to 12 are there to choose by, the others to report; ``coverage_page.py`` writes
the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
from actor_coverage import HELD_OUT, TUNED, arguments, clips_of, interval, write_rows

from mocrop.evaluation.coverage.clips import AnnotatedClip, places_at, slots_of
from mocrop.evaluation.coverage.measure import kept_by
from mocrop.evaluation.coverage.overlap import DoubleMap
from mocrop.evaluation.coverage.settings import CoverageSettings
from mocrop.evaluation.scores.statistics import Estimate, cluster_numbers, group_interval
from mocrop.pipeline.choices import Bars
from mocrop.pipeline.policies.base import ClipFacts, PolicySettings
from mocrop.pipeline.policies.registry import POLICIES, decide

CHOSEN = ("center", "adaptive", "follow")
SHARES_OF = ("frame", "picture")  # what the area of both boxes is a share of
RATIOS = CoverageSettings().ratios


def picture_area(clip: AnnotatedClip) -> float:
    """Share of the frame that the picture within black bars takes."""
    facts = ClipFacts(name=clip.name, size=(clip.motion.width, clip.motion.height), motion=clip.motion)
    return decide("picture", facts, POLICIES["picture"].settings()).box.area


def asked(ratio: float, *, share_of: str, area: float) -> dict[Bars, float]:
    """Ratios that make boxes of the same area, at most that of the picture, which takes ``area`` of the frame.

    >>> asked(0.5, share_of="frame", area=0.8), asked(0.5, share_of="picture", area=0.8)
    ({'keep': 0.5, 'cut': 0.625}, {'keep': 0.4, 'cut': 0.5})
    """
    of_frame = min(ratio, area) if share_of == "frame" else ratio * area
    return {"keep": of_frame, "cut": min(of_frame / area, 1)}


def kept(clip: AnnotatedClip, area: float) -> DoubleMap:
    """Share of the actor inside at slots, (shares of, policies, ratios, keep and cut); NaN without an annotated one."""
    places = places_at(clip, slots_of(clip.motion, select="keyframes", slots=CoverageSettings().slots))
    found = np.full((len(SHARES_OF), len(CHOSEN), len(RATIOS), 2), np.nan)
    if not len(places.truth):
        return found
    for (s, share_of), (p, policy), (r, ratio) in product(*(enumerate(each) for each in (SHARES_OF, CHOSEN, RATIOS))):
        for b, (bars, each) in enumerate(asked(ratio, share_of=share_of, area=area).items()):
            found[s, p, r, b] = kept_by(policy, settings(policy, each, bars), clip, places)[0]
    return found


def settings(policy: str, ratio: float, bars: Bars) -> PolicySettings:
    """Settings of a policy whose boxes have the shape of the frame, or of the picture."""
    kind = POLICIES[policy].settings
    return kind(**{"ratio": ratio, "bars": bars, "shape": "frame"})


def rows_of(name: str, half: str, clips: Iterable[AnnotatedClip]) -> Iterator[dict[str, Any]]:
    """Rows of the clips with bars, as plain values."""
    barred = [(clip, area) for clip in clips if (area := picture_area(clip)) < 1]
    measured = [(clip, area, kept(clip, area)) for clip, area in barred]
    measured = [each for each in measured if not np.isnan(each[2]).any()]  # those with an annotated slot
    if not measured:
        return
    values = np.array([each[2] for each in measured])
    labels = np.unique([clip.label for clip, _, _ in measured], return_inverse=True)[1]
    groups = np.array([clip.group for clip, _, _ in measured])
    clusters = cluster_numbers(labels, groups, [clip.name for clip, _, _ in measured])
    gain = group_interval(values[..., 1] - values[..., 0], clusters=clusters)
    for s, p, r in np.ndindex(values.shape[1:4]):
        mean, low, high = (float(part[s, p, r]) for part in gain)
        yield {
            "of": name,
            "groups": half,
            "counts": [len(values), len(np.unique(clusters))],
            "picture": round(float(np.mean([area for _, area, _ in measured])), 3),
            "shares_of": SHARES_OF[s],
            "policy": CHOSEN[p],
            "ratio": RATIOS[r],
            "keep": round(float(values[:, s, p, r, 0].mean()), 5),
            "cut": round(float(values[:, s, p, r, 1].mean()), 5),
            "gain": interval(Estimate(mean=mean, low=low, high=high)),
        }


def main() -> None:
    given = arguments(__doc__.splitlines()[0] if __doc__ else "", file="coverage-bars.json").parse_args()
    rows: list[dict[str, Any]] = []
    for name, workspace, boxes in given.of:
        for half, groups in {"1-12": TUNED, "13-25": HELD_OUT}.items():
            rows += rows_of(name, half, clips_of(workspace, boxes, groups=groups))
    write_rows(rows, given.results)


if __name__ == "__main__":
    main()
