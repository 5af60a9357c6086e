"""Linear probes, which are fitted exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mocrop.evaluation.ablation.probe import Probe, fit_probe

LABELS = np.array([0, 0, 1, 1, 2, 2])


def clips(width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(6, width)).astype(np.float32)


def objective_gradient(features: np.ndarray, probe: Probe, strength: float) -> float:
    """Largest gradient of the objective, on features as the fit sees them: centred, of mean squared length 1."""
    centred = features - features.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=1).mean())
    points = torch.tensor(centred / length, dtype=torch.float64)
    weight = torch.tensor(probe.weight * length, requires_grad=True)
    bias = torch.tensor(probe.bias + probe.weight @ features.mean(axis=0), requires_grad=True)
    error = torch.nn.functional.cross_entropy(points @ weight.T + bias, torch.tensor(LABELS), reduction="sum")
    (strength * error + weight.square().sum() / 2).backward()
    return max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))


@pytest.mark.parametrize("width", [3, 40])
@pytest.mark.parametrize("strength", [1.0, 100.0])
def test_the_gradient_vanishes_at_the_solution(width: int, strength: float) -> None:
    features = clips(width)
    probe = fit_probe(features, LABELS, classes=3, strength=strength)
    assert objective_gradient(features, probe, strength) < 1e-3


def test_clips_far_apart_are_told_apart() -> None:
    features = np.eye(3, dtype=np.float32)[LABELS] * 5
    assert fit_probe(features, LABELS, classes=3).logits(features).argmax(axis=1).tolist() == LABELS.tolist()


def test_the_order_of_clips_does_not_matter() -> None:
    features, order = clips(10), np.array([5, 2, 0, 3, 1, 4])
    one, other = fit_probe(features, LABELS, classes=3), fit_probe(features[order], LABELS[order], classes=3)
    assert np.allclose(one.weight, other.weight, atol=1e-4)


def test_features_of_another_scale_and_origin_give_the_same_answers() -> None:
    features, others = clips(10), clips(10, seed=1)
    one = fit_probe(features, LABELS, classes=3).logits(others)
    other = fit_probe(7 * features + 3, LABELS, classes=3).logits(7 * others + 3)
    assert np.allclose(one, other, atol=1e-3)


def test_clips_that_are_all_alike_give_the_shares_of_the_classes() -> None:
    logits = fit_probe(np.ones((4, 5), np.float32), np.array([0, 0, 0, 1]), classes=2).logits(np.ones((1, 5)))
    assert torch.softmax(torch.tensor(logits), dim=1)[0, 0] == pytest.approx(0.75, abs=1e-3)
