"""The jackknife over groups, against its formula written out in loops and on cases with a known answer."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from mocrop.evaluation.scores.few_shot_test import TestedDifference, jackknife_difference, require_groups
from mocrop.evaluation.scores.student_t import t_quantile, two_sided_p
from mocrop.pipeline.errors import SettingsError


class Draws:
    """Random answers of two variants: some clips a group, so many groups of each class trained on in each draw."""

    def __init__(self, *, classes: int = 2, groups: int = 5, clips: int = 2, draws: int = 9, train: int = 1) -> None:
        rng = np.random.default_rng(0)
        self.clusters = np.repeat(np.arange(classes * groups), clips)
        self.classes = np.repeat(np.arange(classes), groups * clips)
        chosen = rng.random((draws, classes, groups)).argsort(axis=2).reshape(draws, -1) < train
        self.trained = np.repeat(chosen, clips, axis=1)
        self.tested = ~self.trained
        self.differences = rng.integers(-1, 2, self.tested.shape) * self.tested

    def test(self) -> TestedDifference:
        return jackknife_difference(
            self.differences, self.tested, self.trained, clusters=self.clusters, classes=self.classes
        )


def by_the_formula(data: Draws) -> tuple[float, float]:
    """The mean difference and its variance, group by group and draw by draw."""
    draws, groups = len(data.tested), np.unique(data.clusters)
    class_of = {i: data.classes[data.clusters == i][0] for i in groups}
    s = {(d, i): data.differences[d, data.clusters == i].sum() for d in range(draws) for i in groups}
    t = {(d, i): data.tested[d, data.clusters == i].sum() for d in range(draws) for i in groups}
    r = {(d, i): data.trained[d, data.clusters == i].any() for d in range(draws) for i in groups}
    big_s, big_t = ([sum(x[d, i] for i in groups) for d in range(draws)] for x in (s, t))
    y = [a / b for a, b in zip(big_s, big_t, strict=True)]
    s2, theta = np.var(y, ddof=1), sum(big_s) / sum(big_t)
    training = testing = 0.0
    for label in set(class_of.values()):
        own = [i for i in groups if class_of[i] == label]
        k, freedom, squares, apart, noise, q = len(own), 0, 0.0, [], 0.0, []
        for i in own:
            on = [y[d] for d in range(draws) if r[d, i]]
            freedom += max(len(on) - 1, 0)
            squares += sum((value - np.mean(on)) ** 2 for value in on)
        within = squares / freedom if freedom else s2
        for i in own:
            n = sum(r[d, i] for d in range(draws))
            top = sum(big_s[d] for d in range(draws) if not r[d, i]) - sum(s[d, i] for d in range(draws))
            bottom = sum(big_t[d] for d in range(draws) if not r[d, i]) - sum(t[d, i] for d in range(draws))
            apart.append(top / bottom)
            noise += (n / draws) ** 2 * (within / n + s2 / (draws - n)) if n else 0
            q.append(sum(s[d, i] - theta * t[d, i] for d in range(draws)) / sum(big_t))
        training += (k - 1) / k * (sum((a - np.mean(apart)) ** 2 for a in apart) - noise)
        testing += k / (k - 1) * sum((a - np.mean(q)) ** 2 for a in q)
    return theta, max(training, testing) + s2 / draws


@pytest.mark.parametrize(
    "data", [Draws(), Draws(draws=40), Draws(classes=3, groups=7, clips=3, draws=30, train=3), Draws(draws=4)]
)
def test_it_is_the_formula(data: Draws) -> None:
    theta, variance = by_the_formula(data)
    found = data.test()
    groups, classes = len(set(data.clusters)), len(set(data.classes))
    assert (found.groups, found.df, found.draws) == (groups, groups - classes, len(data.tested))
    assert found.enough_draws == (len(data.tested) >= 2 * groups)
    reach = t_quantile(found.df) * variance**0.5
    assert astuple(found.estimate) == pytest.approx((theta, theta - reach, theta + reach))
    assert found.p_value == pytest.approx(two_sided_p(theta / variance**0.5, found.df))


def test_variants_that_never_differ_show_nothing_and_one_that_always_wins_is_as_sure_as_a_sign_test() -> None:
    data = Draws()
    data.differences = np.zeros(data.tested.shape)
    found = data.test()
    assert (found.estimate.mean, found.estimate.low, found.estimate.high, found.p_value) == (0, 0, 0, 1)
    data.differences = data.tested.astype(np.float64)
    assert (data.test().estimate.low, data.test().p_value) == (1, 2.0**-9)


def test_neither_the_order_of_clips_nor_the_sign_matters() -> None:
    data = Draws(draws=20)
    first = data.test()
    order = np.random.default_rng(1).permutation(len(data.clusters))
    data.clusters, data.classes = 1000 - 7 * data.clusters[order], 5 - data.classes[order]
    data.tested, data.trained = data.tested[:, order], data.trained[:, order]
    data.differences = -data.differences[:, order]
    found = data.test()
    assert found.p_value == pytest.approx(first.p_value)
    assert found.estimate.low == pytest.approx(-first.estimate.high)


def test_a_group_that_all_draws_tell_apart_counts_more_than_one_that_tests_alone_tell_apart() -> None:
    """Draws that train on group 0 lose 0.4 everywhere: other training groups may do the same."""
    data = Draws(draws=50)
    noise = np.random.default_rng(2).normal(0, 0.1, data.tested.shape)
    data.differences = (noise - 0.4 * data.trained[:, :1]) * data.tested
    with_it = data.test().estimate
    data.differences = noise * data.tested
    without = data.test().estimate
    assert with_it.high - with_it.low > 4 * (without.high - without.low)


def test_classes_that_share_a_group_are_one_stratum() -> None:
    """Ten groups in both classes: nine degrees of freedom, where ten groups of two classes of their own have eight."""
    data = Draws()
    data.clusters = np.arange(20) % 10
    chosen = np.arange(10) == np.arange(9)[:, None]
    data.trained = np.tile(chosen, 2)
    data.tested = ~data.trained
    data.differences = data.differences * data.tested
    assert data.test().df == 9
    assert Draws().test().df == 8


def test_a_class_of_four_groups_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="class number 0 has 4 groups of clips, and a few-shot test needs 5"):
        Draws(groups=4).test()
    data = Draws(groups=4)
    with pytest.raises(SettingsError, match="class Surfing has 4 groups"):
        require_groups(clusters=data.clusters, classes=data.classes, class_names=("Surfing", "Diving"))
    require_groups(clusters=Draws().clusters, classes=Draws().classes)


def test_a_group_that_every_draw_trains_on_is_refused() -> None:
    data = Draws()
    data.trained[:, :2] = True
    data.tested[:, :2] = False
    data.differences[:, :2] = 0
    with pytest.raises(SettingsError, match="all draws train on the same group; pass more --draws"):
        data.test()


def test_arrays_that_do_not_fit_are_refused() -> None:
    data = Draws()
    data.tested[0] = False
    with pytest.raises(ValueError, match="a draw tested nothing"):
        data.test()
    data = Draws()
    data.differences = np.ones(data.tested.shape)
    with pytest.raises(ValueError, match="not tested"):
        data.test()
    data = Draws()
    data.trained[:, 0] |= data.tested[:, 0]
    with pytest.raises(ValueError, match="in the same draw"):
        data.test()
    data = Draws()
    data.clusters = data.clusters[1:]
    with pytest.raises(ValueError, match="draws of the same clips"):
        data.test()
