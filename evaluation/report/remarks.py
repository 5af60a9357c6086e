"""What makes the scores of an evaluation better or worse than they look, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mocrop.evaluation.scores.evaluate import EvalResult
from mocrop.evaluation.scores.label_metrics import FEW_CLIPS, LabelMetrics
from mocrop.evaluation.scores.metrics import Units
from mocrop.evaluation.scores.seen import SeenInTraining
from mocrop.evaluation.scores.statistics import FEW_GROUPS
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.settings import with_defaults
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.training.model.external_checkpoint import UNKNOWN

SAME_FRAMES = ("name", "clips_per_shard", "compression", "max_damaged", "motion_fields")  # whatever these are


def cache_words(cache: dict[str, Any]) -> str:
    """A cache in a few words: its name, and its policy and size if they are known.

    >>> cache_words({"name": "motion-192", "policy": "motion", "size": 192})
    'motion-192 (policy motion, 192 px)'
    """
    return f"{cache['name']} (policy {cache['policy']}, {cache['size']} px)" if cache.get("policy") else cache["name"]


def remarks(result: EvalResult) -> list[str]:
    """Sentences about what makes the scores better or worse than they look."""
    lines = []
    if is_training_free(result):
        lines.append(
            f"the network was trained on other frames: {cache_words(result.trained_on)}; "
            "this is the training-free use of a crop"
        )
    elif other := other_crop(result.trained_on, result.cache):
        lines.append(f"the network was trained on frames that were cropped in another way ({other})")
    elif has_changed(result.trained_on, result.cache):
        lines.append(
            f"{result.cache['name']} is no longer what the network was trained on: its clips, lists or frames differ"
        )
    several = isinstance(result.metrics, LabelMetrics)
    if isinstance(result.metrics, LabelMetrics):
        lines += few_clips(result.metrics)
    if result.classes_tested < 2 and not several:
        lines.append("only one class is tested: the scores say nothing about telling classes apart")
    lines += few_units(result.metrics.units)
    if result.classes <= 5 and not several:
        lines.append(f"with {result.classes} classes top-5 is always right")
    if result.trained_on["name"] == UNKNOWN:
        lines.append(
            "the checkpoint does not say what it was trained on: its outputs are taken for the classes in the order of "
            "the cache, and clips may have been seen in training"
        )
        return lines
    return lines + seen_words(result.seen)


def few_clips(metrics: LabelMetrics) -> list[str]:
    """A warning where classes have few test clips."""
    if not (few := metrics.with_few_clips):
        return []
    have = "class has" if few == 1 else "classes have"
    return [
        f"{few} {have} fewer than {FEW_CLIPS} test clips, of which average precisions are too high by chance: compare "
        "the mean on these very clips alone"
    ]


def few_units(units: Units) -> list[str]:
    """A warning where intervals stand on few groups or clips.

    >>> few_units(Units(kind="groups", count=8)), few_units(Units(kind="groups", count=1))
    ([], ['all clips are of 1 group: they say nothing about others'])
    """
    if units.count >= FEW_GROUPS:
        return []
    if units.count == 1:
        return [f"all clips are of {units}: they say nothing about others"]
    return [f"intervals and tests stand on {units} alone: take them for rough"]


def seen_words(seen: SeenInTraining) -> list[str]:
    """Warnings about test clips that were seen in training, or may have been; empty if there are none."""
    if seen.trained_on is None and seen.listed is None:
        return ["the cache does not have the split that was trained on, so clips may have been seen in training"]
    if seen.trained_on is None and seen.listed:
        return [
            f"WARNING: {seen.listed} of these clips are in the training list of the split that the checkpoint was "
            "trained on; the scores are too good"
        ]
    lines = []
    if seen.trained_on:
        lines.append(f"WARNING: {seen.trained_on} of these clips were trained on; the scores are too good")
    if seen.validated_on:
        lines.append(
            f"WARNING: {seen.validated_on} of these clips were held out of training to choose the best epoch; scores "
            "are a little too good"
        )
    return lines


def other_crop(trained_on: Mapping[str, Any], cache: Mapping[str, Any]) -> str:
    """How the settings of the cropping differ between two descriptions of caches; empty if they do not, or unknown.

    >>> there, here = ({"settings": {"name": name, "frames": frames}} for name, frames in (("a", 8), ("b", 16)))
    >>> other_crop(there, here), other_crop(here, here)
    ('frames: 8, here 16', '')
    >>> padded = {"settings": {"name": "c", "frames": 8, "fit": "pad"}}
    >>> other_crop(there, padded)
    'fit: squash, here pad'
    >>> other_crop({}, padded)
    ''
    """
    there, here = (_flat(each.get("settings") or {}) for each in (trained_on, cache))
    names = sorted(there.keys() | here.keys()) if there and here else []
    return "; ".join(
        f"{name}: {there.get(name)}, here {here.get(name)}" for name in names if there.get(name) != here.get(name)
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of precrop, and of its policy, on which the frames depend; those that are not stored have defaults."""
    if not settings:  # not known
        return {}
    of_policy = dict(settings.get("policy_settings") or {})
    if (policy := str(settings.get("policy"))) in POLICIES:
        of_policy = with_defaults(POLICIES[policy].settings, of_policy)
    own = with_defaults(PrecropSettings, dict(settings))
    left_out = (*SAME_FRAMES, "policy_settings")
    return {**of_policy, **{name: value for name, value in own.items() if name not in left_out}}


def has_changed(trained_on: Mapping[str, Any], cache: Mapping[str, Any]) -> bool:
    """Whether a cache has the name of the one that was trained on and other content; false if that is not known."""
    known = "settings" in trained_on  # an earlier mocrop hashed something else
    return bool(known and trained_on["name"] == cache["name"] and trained_on["hash"] != cache["hash"])


def is_training_free(result: EvalResult) -> bool:
    """Whether the network was trained on another policy or size than it is tested on."""
    trained_on, cache = result.trained_on, result.cache
    return any(trained_on.get(key) and trained_on[key] != cache[key] for key in ("policy", "size"))
