"""The tables of an ablation, in Markdown, from the plain values of its report.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mocrop.evaluation.ablation.families import policy_of
from mocrop.evaluation.ablation.variants import POLICIES
from mocrop.evaluation.ablation.verdicts import tally_of
from mocrop.evaluation.report.format import Markdown, in_code, in_markdown, markdown_table, points
from mocrop.evaluation.scores.comparisons import Verdict
from mocrop.evaluation.scores.statistics import Estimate, format_p

Content = Mapping[str, Any]  # of report.json, or a part of it

MARKS = {
    Verdict.BETTER: Markdown("**better**"),
    Verdict.WORSE: Markdown("**worse**"),
    Verdict.NOT_SHOWN: Markdown("not shown"),
}


def view_name(view: Content) -> str:
    """A view in words.

    >>> view_name({"size": 160, "frames": 4, "pool": "mean"})
    '160 px, 4 frames'
    """
    pool = "" if view["pool"] == "mean" else f", {view['pool']}"
    return f"{view['size']} px, {view['frames']} frame{'' if view['frames'] == 1 else 's'}{pool}"


def groups_name(groups: int) -> str:
    """A number of groups in words.

    >>> groups_name(1), groups_name(4)
    ('1 group', '4 groups')
    """
    return f"{groups} group{'' if groups == 1 else 's'}"


def estimate(values: Content) -> Estimate:
    """A mean with its interval, from plain values; ends that JSON has as null are those without a number.

    >>> estimate({"mean": 0.5, "low": None, "high": None})
    Estimate(mean=0.5, low=-inf, high=inf)
    """
    low, high = values["low"], values["high"]
    return Estimate(mean=values["mean"], low=-math.inf if low is None else low, high=math.inf if high is None else high)


def summary_table(content: Content) -> str:
    """Counts of verdicts by policy and base."""
    few_shot = content["few_shot"] or {"tested": [], "equal_operations": []}
    families = (content["full_data"], few_shot["tested"], few_shot["equal_operations"])
    questions = dict.fromkeys(
        (policy_of(each["variant"]), policy_of(each["base"])) for family in families for each in family
    )
    rows = []
    for policy, base in questions:
        chosen = (
            [each for each in family if (policy_of(each["variant"]), policy_of(each["base"])) == (policy, base)]
            for family in families
        )
        rows.append([policy, base, *(tally_of(each) if each else "-" for each in chosen)])
    return markdown_table(["crop", "against", "whole list", "few groups", "equal operations"], rows)


def condition_table(content: Content) -> str:
    """As the paper's Table 1: one row a crop, a column for each size and number of frames, and what a clip costs."""
    note = "Top-1 in %, with 95 % intervals over groups.\n\n"
    return note + markdown_table(*condition_cells(content, content["conditions"]))


def condition_cells(content: Content, conditions: Sequence[Content]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of that table, for some of the conditions."""
    columns = list(dict.fromkeys(_column(each) for each in conditions))
    found = {(each["variant"], _column(each)): each for each in conditions}
    areas = {each["variant"]: each["area"] for each in content["areas"]}
    rows = []
    for variant in dict.fromkeys(each["variant"] for each in conditions):
        accuracies = (estimate(found[variant, column]["accuracy"]) for column in columns)
        cells = (f"{100 * each.mean:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]" for each in accuracies)
        rows.append([variant, f"{areas[variant]:.3f}", *cells])
    gflops = {_column(each): each["gflops"] for each in conditions}
    rows.append(["GFLOPs a clip", "", *(f"{gflops[column]:.3f}" for column in columns)])
    most = max(gflops.values())
    rows.append(["against the most", "", *(f"{gflops[column] / most - 1:+.0%}" for column in columns)])
    return ["crop", "area", *columns], rows


def _column(condition: Content) -> str:
    same = condition["train_size"] == condition["size"]
    return ("" if same else f"trained at {condition['train_size']} px, ") + view_name(condition)


def accuracy_table(content: Content, pool: str) -> str:
    """Few groups: top-1 by crop, and by size and number of frames, at the middle number of groups."""
    few_shot = content["few_shot"]
    chosen = [e for e in few_shot["accuracies"] if e["groups"] == few_shot["main_groups"] and e["pool"] == pool]
    columns = sorted(dict.fromkeys((each["gflops"], each["size"], each["frames"]) for each in chosen))
    found = {(each["variant"], each["gflops"], each["size"], each["frames"]): each["accuracy"] for each in chosen}
    best = {column: max(found[variant, *column] for variant, *_ in found) for column in columns}
    rows = [["GFLOPs a clip", *(f"{gflops:.3g}" for gflops, _, _ in columns)]]
    for variant in dict.fromkeys(each["variant"] for each in chosen):
        values = ((found[variant, *column], best[column]) for column in columns)
        rows.append([variant, *(_marked(f"{100 * value:.1f}", value == most) for value, most in values)])
    note = (
        f"Top-1 in % with {groups_name(few_shot['main_groups'])} of each class, pool {pool}, by size and frames; the "
        "highest of each column in bold, which no test stands behind.\n\n"
    )
    return note + markdown_table(["crop", *(f"{size} px x {frames}" for _, size, frames in columns)], rows)


def _marked(text: str, bold: bool) -> str:
    return Markdown(f"**{text}**") if bold else text


def choices_table(readings: Sequence[Content]) -> str:
    """What each policy chose within each budget, and how accurate it is: a row a policy, a column a budget."""
    columns = list(dict.fromkeys(each["where"] for each in readings))
    found = {}
    for each in readings:
        for name, accuracy, choices in (("variant", "accuracy", "choices"), ("base", "base_accuracy", "base_choices")):
            chosen = " or ".join(dict.fromkeys(_short(choice, each[name]) for choice in each[choices]))
            found[each[name], each["where"]] = f"{100 * each[accuracy]:.1f} ({chosen})"
    policies = sorted({policy for policy, _ in found}, key=POLICIES.index)
    return markdown_table(
        ["policy", *columns], [[policy, *(found[policy, column] for column in columns)] for policy in policies]
    )


def _short(choice: str, policy: str) -> str:
    """A choice without the name of its policy.

    >>> _short("follow 0.25, 96 px, 4 frames", "follow"), _short("full, 96 px, 1 frame", "full")
    ('0.25, 96 px, 4 frames', '96 px, 1 frame')
    """
    return choice.removeprefix(policy).lstrip(", ")


def operations_table(readings: Sequence[Content]) -> str:
    """Each policy against its bases within a budget."""
    rows = []
    for each in readings:
        accuracies = f"{100 * each['accuracy']:.1f} / {100 * each['base_accuracy']:.1f}"
        chosen = (" or ".join(dict.fromkeys(each[key])) for key in ("choices", "base_choices"))
        cells = [each["where"], each["variant"], each["base"], accuracies, points(estimate(each["difference"]))]
        rows.append([*cells, format_p(each["p_corrected"]), MARKS[Verdict(each["verdict"])], *chosen])
    head = ["budget", "policy", "against", "top-1", "difference", "p corrected", "difference shown"]
    return markdown_table([*head, "policy chose", "base chose"], rows)


def equal_accuracy_table(readings: Sequence[Content]) -> str:
    """What each policy needs to be as accurate as no crop with the most frames of the largest size."""
    rows = []
    for each in readings:
        share = f"{each['gflops'] / each['base_gflops']:.0%}"
        difference = estimate(each["difference"])
        shown = MARKS[Verdict(each["verdict"])]
        cells = [each["base"], each["variant"], f"{each['gflops']:.3g}", share, points(difference), shown]
        rows.append([*cells, "yes" if each["reaches"] else "not shown", " or ".join(dict.fromkeys(each["choices"]))])
    note = (
        f"The reference has {readings[0]['where']}. *At most 1 point below* is said where the 95 % interval of the "
        "difference leaves no room for more, each for itself: it is not corrected for their number.\n\n"
        if readings
        else ""
    )
    head = ["reference", "policy", "GFLOPs a clip", "of the reference's", "difference", "difference shown"]
    return note + markdown_table([*head, "at most 1 point below", "chose"], rows)


def comparison_table(comparisons: Sequence[Content]) -> str:
    """One row a comparison."""
    draws = any(each["over_draws"] for each in comparisons)
    header = ["sizes" if not draws else "trained on", "crop", "against", "top-1", "difference"]
    header += ["over draws"] if draws else ["gained / lost"]
    rows = []
    for each in comparisons:
        over_draws = each["over_draws"]
        extra = points(estimate(over_draws)) if over_draws else f"{each['gained']} / {each['lost']}"
        accuracy, difference = f"{100 * each['accuracy']:.1f}", points(estimate(each["difference"]))
        cells = [each["where"], each["variant"], each["base"], accuracy, difference, extra]
        p_values = (format_p(each[name]) for name in ("p_value", "p_corrected"))
        rows.append([*cells, *p_values, MARKS[Verdict(each["verdict"])]])
    return markdown_table([*header, "p", "p corrected", "difference shown"], rows)


def stream_note(content: Content) -> str:
    """What the second stream is, and what its control is for."""
    stream = content["settings"]["stream"]
    arch, weights = in_markdown(stream["arch"]), in_code(stream["weights"])
    return (
        f"`fields` is {arch} from weights {weights}, trained throughout on the motion fields of whole "
        "frames; `+` is late fusion of two networks of one split and seed, half the weight each. Any two networks "
        "together tend to beat one: the fusion with the network of the centre crop is the control.\n"
    )


def curve_table(comparisons: Sequence[Content], base: str) -> str:
    """Differences to one base: a row a crop, a column a setting; bold where a difference is shown.

    Args:
        base: a policy; that of the same area where it crops.
    """
    chosen = [each for each in comparisons if policy_of(each["base"]) == base]
    if not chosen:
        return ""
    columns = list(dict.fromkeys(each["where"] for each in comparisons))
    found = {(each["variant"], each["where"]): each for each in chosen}
    rows = []
    for variant in dict.fromkeys(each["variant"] for each in chosen):
        rows.append([variant, *(difference_cell(found[variant, column]) for column in columns)])
    return markdown_table([f"crop, against {base}", *columns], rows)


def difference_cell(comparison: Content | None) -> str:
    """A difference with its interval, bold where it is shown; a dash where there is no comparison."""
    if comparison is None:
        return "-"
    shown = Verdict(comparison["verdict"]) is not Verdict.NOT_SHOWN
    return _marked(points(estimate(comparison["difference"])), shown)


def pair_table(pairs: Sequence[Content]) -> str:
    """The pairs of classes that `full` confuses most, under each crop."""
    rows = [
        [
            str(each["groups"]),
            " / ".join(each["classes"]),
            each["variant"],
            f"{100 * each['rate']['mean']:.1f}",
            "-" if each["variant"] == "full" else points(estimate(each["over_full"])),
        ]
        for each in pairs
    ]
    note = (
        "Share of the clips of two classes that are taken for the other, in %; intervals over draws, uncorrected.\n\n"
    )
    return note + markdown_table(["groups", "classes", "crop", "confused", "against full"], rows)


def class_table(classes: Sequence[Content], *, most: int = 30) -> str:
    """Clips gained and lost by class, largest changes first."""
    moved = [each for each in classes if each["gained"] or each["lost"]]
    if not moved:
        return "No class has gained or lost a clip.\n"
    chosen = sorted(moved, key=lambda each: -abs(each["gained"] - each["lost"]))[:most]
    rows = [
        [*(str(each[name]) for name in ("name", "clips", "variant", "base")), f"+{each['gained']}", f"-{each['lost']}"]
        for each in chosen
    ]
    rest = len(moved) - len(chosen)
    note = f"The {len(chosen)} largest of {len(moved)} changes; report.json has all.\n\n" if rest else ""
    return note + markdown_table(["class", "clips", "crop", "against", "gained", "lost"], rows)
