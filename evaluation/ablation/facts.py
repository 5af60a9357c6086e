"""Paragraphs on how the numbers of an ablation were made, which a reader needs to judge its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mocrop.evaluation.ablation.families import policy_of
from mocrop.evaluation.ablation.tables import groups_name, view_name
from mocrop.evaluation.report.format import in_code, in_markdown
from mocrop.evaluation.scores.comparisons import LEVEL

Content = Mapping[str, Any]  # of report.json


def facts(content: Content) -> list[str]:
    """Paragraphs of Markdown."""
    paragraphs = [_setting(content), _tests(content)]
    if content["few_shot"]:
        paragraphs.append(_few_shot(content))
    settings = content["settings"]
    if content["seen_in_training"]:
        paragraphs.append(
            f"WARNING: networks have seen up to {content['seen_in_training']} clips of a test list in training, as the "
            f"weights {in_code(settings['training']['weights'])} that they started from were trained on them; the "
            "accuracies are too good."
        )
    if most := _most_tests(content["full_data"]):
        groups = content["groups"]
        if most * 2.0 ** (1 - groups) >= LEVEL:
            paragraphs.append(
                f"WARNING: the whole lists test {groups} groups alone, too few for any difference to be shown: if all "
                f"groups agree, p is {2.0 ** (1 - groups):.2g}, before the correction for {most} "
                f"test{'' if most == 1 else 's'} a question."
            )
    if short := content.get("short"):  # reports of before have no such number
        paragraphs.append(
            f"{short} {'clip has' if short == 1 else 'clips have'} fewer than {max(settings['frames'])} frames in use: "
            "where as many are tested, some count twice, and operations are given as if they were others."
        )
    if content["failed"]:
        paragraphs.append(
            f"{content['failed']} clips failed in precrop, for one cache or for several, and no test counts them; "
            "`mocrop status --failed` names them."
        )
    if content["few_shot"] and not content["few_shot"]["enough_draws"]:
        paragraphs.append(
            f"WARNING: {settings['few_shot']['draws']} draws are fewer than two for each of the "
            f"{content['few_shot']['groups']} groups; the intervals of few-shot differences are wider than they need "
            "be. Pass a larger --draws."
        )
    return paragraphs


def _most_tests(comparisons: Sequence[Content]) -> int:
    """The most tests that any question has."""
    questions = Counter((policy_of(each["variant"]), policy_of(each["base"])) for each in comparisons)
    return max(questions.values(), default=0)


def _setting(content: Content) -> str:
    settings = content["settings"]
    training = settings["training"]
    arch, weights = in_markdown(training["arch"]), in_code(training["weights"])
    how = "its head alone trained on frozen features" if training["freeze_backbone"] else "fine-tuned"
    splits, seeds = in_markdown(", ".join(settings["splits"])), ", ".join(map(str, settings["seeds"]))
    frames = ", ".join(map(str, settings["frames"]))
    return (
        f"{arch} from weights {weights}, {how}, {training['epochs']} epochs; {content['clips']} test clips of "
        f"{content['groups']} groups (splits {splits}; {content['left_out']} left out because a cache lacks them), "
        f"{frames} frames a clip, pool {', '.join(settings['pools'])}, seeds {seeds}. A clip that several lists test "
        "counts once."
    )


def _tests(content: Content) -> str:
    one = len(content["settings"]["seeds"]) == 1
    seeds = "these checkpoints" if one else "the mean over these seeds"
    return (
        "Differences are on the same clips, in points of top-1. Which are tested was fixed before any result was seen: "
        f"those in the main view ({view_name(content['main'])}). One policy against one base is a question; its tests "
        "on the whole list are corrected together (Holm), so are those on few groups and those at equal operations, "
        "and all apart from other questions: of twenty such families without any difference one shows some. A "
        "difference counts as shown if its corrected test is below 0.05 and its 95 % interval is without 0. All else "
        "is description. On the whole list both are over groups of clips (signs of groups flipped, Student's t) and "
        f"about {seeds}: they say nothing of what another training would have given."
    )


def _few_shot(content: Content) -> str:
    settings, few_shot = content["settings"]["few_shot"], content["few_shot"]
    groups = groups_name(few_shot["main_groups"])
    return (
        f"Few groups: {settings['draws']} draws of whole groups to train on, the rest of {few_shot['clips']} clips "
        f"({few_shot['groups']} groups) tested; logistic regression on the pooled features of each clip. Test and "
        "interval are a jackknife over groups, for new groups to train and to test on; the interval over draws is "
        f"about these training groups alone. Accuracy against operations is with {groups} of each class. There a "
        "policy takes whichever of its areas, sizes, frames and pools does best, and what a clip is judged by was "
        "chosen on the other half of the groups."
    )
