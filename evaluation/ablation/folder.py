"""Where an ablation keeps what it makes, and the plan that says how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocrop.evaluation.ablation.settings import AblationSettings, Cell, View
from mocrop.evaluation.report.format import write_json
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.settings import plain_settings, unknown_settings, with_defaults
from mocrop.pipeline.strict_json import parsed_json
from mocrop.pipeline.versions import not_known
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.recipe import TrainSettings

FREE = ("split", "seed", "device", "pool")  # training settings that may differ under one name


@dataclass(frozen=True)
class AblationFolder:
    """Paths of everything that one ablation writes; touches no file.

    Raises: SettingsError for a name that no folder can have.
    """

    workspace: Workspace
    name: str

    def __post_init__(self) -> None:
        self.workspace.run(self.name)

    @property
    def reports(self) -> Path:
        return self.workspace.reports / self.name

    @property
    def plan(self) -> Path:
        return self.reports / "plan.json"

    def run(self, cell: Cell) -> Path:
        """Folder of the run that trains a cell; one level below the runs that `mocrop eval` chooses from."""
        return self.workspace.run(self.name) / cell.name

    def predictions(self, cell: Cell, view: View) -> Path:
        return self.reports / "predictions" / f"{cell.tested_name(view)}.npz"


def keep_plan(folder: AblationFolder, settings: AblationSettings) -> None:
    """Record in plan.json how cells are trained, and refuse other settings under the same name.

    A second stream, sizes, numbers of frames and pools may be added later: each has files of its own. The plan of an
    older mocrop also says how many frames were tested; its predictions are made again, since their names do not.

    Raises: SettingsError naming what differs.
    """
    plan = {name: _fixed(training) for name, training in zip(("training", "stream"), settings.trainings, strict=False)}
    there = parsed_json(folder.plan.read_bytes()) if folder.plan.exists() else {}
    _require_frames_of_older(folder, settings, there.get("testing"))
    for name in plan.keys() & there.keys():
        if unknown := unknown_settings(TrainSettings, there[name]):
            raise SettingsError(not_known(f"the ablation in {folder.reports}", repr(unknown[0])))
        before, now = (with_defaults(TrainSettings, each) for each in (there[name], plan[name]))
        if differing := [key for key in now if before.get(key) != now[key]]:
            shown = "; ".join(f"{key}: {before.get(key)} there, {now[key]} now" for key in differing)
            raise SettingsError(
                f"{folder.reports} holds an ablation with other settings of {name} ({shown}); pass another --name"
            )
    write_json({**there, **plan}, folder.plan)


def _require_frames_of_older(folder: AblationFolder, settings: AblationSettings, testing: Any) -> None:
    """Refuse to go on with an ablation of an older mocrop, whose --frames were the slots, in another sense.

    Raises: SettingsError.
    """
    if testing and testing["segments"] not in settings.frames:
        raise SettingsError(
            f"{folder.reports} holds an ablation of an older mocrop that tested {testing['segments']} frames a clip; "
            f"--frames now says that (--slots: how many are stored), so pass --frames {testing['segments']} to go on "
            "with it, or another --name"
        )


def _fixed(training: TrainSettings) -> dict[str, Any]:
    """Settings that may not differ under one name."""
    return {key: value for key, value in plain_settings(training, keep_none=True).items() if key not in FREE}
