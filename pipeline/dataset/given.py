"""What a call of `mocrop init` says of a data set, completed by what the workspace has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.workspace.settings_file import DatasetSettings


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a call says of the data set; None: nothing."""

    splits: Path | None
    seed: int | None
    group_by: str | None
    form: str | None
    unlabelled: bool | None
    multi_label: bool | None
    label_separator: str | None

    def takes_unlabelled(self, kept: DatasetSettings | None) -> bool:
        """Whether videos are taken in without labels: as asked, else as is ``kept`` unless lists are given."""
        if self.unlabelled is not None:
            return self.unlabelled
        return kept is not None and kept.unlabelled and self.splits is None


def completed(folder: Path, known: DatasetSettings | None, given: Given, *, same: bool) -> DatasetSettings:
    """Complete what is given by what mocrop.toml has.

    Args:
        known: None: the workspace is new.
        same: the folder holds the data set that the workspace knows.
    Raises: SettingsError if what is given contradicts itself.
    """
    kept = known if known is not None and same else DatasetSettings(dataset=folder, seed=known.seed if known else 0)
    unlabelled = given.takes_unlabelled(kept)
    if unlabelled and given.splits is not None:
        raise SettingsError(f"--unlabelled takes no lists, and --splits {given.splits} is given; drop one of the two")
    same_lists = given.splits is None or given.splits.absolute() == kept.splits
    separator, several = _several(kept, given, same_lists=same_lists and not unlabelled)
    return DatasetSettings(
        dataset=folder,
        splits=None if unlabelled else given.splits or kept.splits,  # lists of one data set do not fit another
        seed=kept.seed if given.seed is None else given.seed,
        group_by=kept.group_by if given.group_by is None else given.group_by or None,
        form=given.form or (kept.form if same_lists else None),
        unlabelled=unlabelled,
        multi_label=several,
        label_separator=separator,
    )


def _several(kept: DatasetSettings, given: Given, *, same_lists: bool) -> tuple[str, bool]:
    """What stands between several labels in a cell, and whether a clip may have several.

    Raises: SettingsError if what is given contradicts itself.
    """
    if given.label_separator and given.multi_label is False:
        raise SettingsError(
            "--label-separator takes labels apart, and --no-multi-label allows one; drop one of the two"
        )
    if given.unlabelled and (given.label_separator or given.multi_label):
        raise SettingsError("--unlabelled takes no labels, and --multi-label several; drop one of the two")
    separator = given.label_separator
    if separator is None:
        separator = kept.label_separator if same_lists and given.multi_label is not False else ""
    several = given.multi_label
    if several is None:
        several = same_lists and kept.multi_label
    return separator, several
