"""Linear probes, which are fitted exactly, all draws at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from mocrop.evaluation.ablation import probe
from mocrop.evaluation.ablation.probe import probe_logits
from mocrop.pipeline.errors import TrainingError

LABELS = np.array([0, 0, 1, 1, 2, 2])
ALL = np.ones((1, 6), np.bool_)


def clips(width: int, seed: int = 0, number: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(number, width)).astype(np.float32)


def logits(features: np.ndarray, labels: np.ndarray, trained: np.ndarray, **options: float) -> np.ndarray:
    parts = probe_logits(features, labels, trained, classes=int(labels.max()) + 1, **options)
    return np.concatenate(list(parts))


def fitted_alone(features: np.ndarray, labels: np.ndarray, chosen: np.ndarray, *, strength: float) -> np.ndarray:
    """Logits of one head that L-BFGS has fitted in the span of its clips, as it was once done."""
    points = torch.from_numpy(features[chosen].astype(np.float64))
    mean = points.mean(dim=0)
    length = float((points - mean).square().sum(dim=1).mean().sqrt())
    span, coordinates = torch.linalg.qr((points - mean).T / length)
    inside, targets = coordinates.T.contiguous(), torch.from_numpy(labels[chosen])
    weight = torch.zeros((int(labels.max()) + 1, inside.shape[1]), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(weight), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        error = functional.cross_entropy(inside @ weight.T + bias, targets, reduction="sum")
        total = strength * error + weight.square().sum() / 2
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        everything = (torch.from_numpy(features.astype(np.float64)) - mean) / length
        return (everything @ span @ weight.T + bias).numpy()


@pytest.mark.parametrize("width", [4, 30, 90])  # fewer than the clips of a draw, more, and more than all clips
@pytest.mark.parametrize("strength", [1.0, 10.0, 100.0])
def test_all_draws_at_once_give_what_each_alone_gives(width: int, strength: float) -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 20)
    features = clips(width, number=60) + 2 * np.eye(3, width, dtype=np.float32)[labels]
    trained = rng.random((7, 60)) < np.linspace(0.15, 0.5, 7)[:, np.newaxis]  # 9 to 30 clips, as it comes
    found = logits(features, labels, trained, strength=strength)
    for draw, chosen in enumerate(trained):
        alone = fitted_alone(features, labels, chosen, strength=strength)
        assert np.abs(found[draw] - alone).max() < 1e-5
        assert np.array_equal(found[draw].argmax(axis=1), alone.argmax(axis=1))


def test_it_does_not_matter_which_draws_are_fitted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clips(20, number=24), np.tile(LABELS, 4)
    trained = np.random.default_rng(0).random((5, 24)) < 0.5
    together = logits(features, labels, trained)
    monkeypatch.setattr(probe, "NUMBERS_AT_ONCE", 1)
    assert len(list(probe_logits(features, labels, trained, classes=3))) == 5
    assert np.abs(logits(features, labels, trained) - together).max() < 1e-6


def test_clips_that_are_not_trained_on_change_nothing() -> None:
    features, trained = clips(10), np.array([[True, True, True, True, True, False]])
    other = features.copy()
    other[5] = 100
    assert np.allclose(logits(features, LABELS, trained)[0, :5], logits(other, LABELS, trained)[0, :5], atol=1e-6)


def test_clips_far_apart_are_told_apart() -> None:
    features = np.eye(3, dtype=np.float32)[LABELS] * 5
    assert logits(features, LABELS, ALL)[0].argmax(axis=1).tolist() == LABELS.tolist()


def test_features_of_another_scale_and_origin_give_the_same_answers() -> None:
    features = clips(10)
    assert np.allclose(logits(features, LABELS, ALL), logits(7 * features + 3, LABELS, ALL), atol=1e-3)


def test_clips_that_are_all_alike_give_the_shares_of_the_classes() -> None:
    (found,) = logits(np.ones((4, 5), np.float32), np.array([0, 0, 0, 1]), np.ones((1, 4), np.bool_))
    assert torch.softmax(torch.tensor(found), dim=1)[0, 0].item() == pytest.approx(0.75, abs=1e-6)


def test_a_fit_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_STEPS", 3)
    with pytest.raises(TrainingError, match=r"not fitted within 3 steps: its gradient is still \d"):
        logits(clips(10), LABELS, ALL)


def test_features_that_are_no_numbers_are_an_error() -> None:
    features = clips(10)
    features[2, 3] = np.nan
    with pytest.raises(TrainingError, match="NaN or infinite"):
        logits(features, LABELS, ALL)
    with pytest.raises(ValueError, match="no clip to train on"):
        logits(clips(10), LABELS, ~ALL)
