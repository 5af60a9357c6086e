"""Every number of every settings dataclass is finite and within limits, and JSON holds no other."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from mocrop.evaluation.ablation.few_shot import FewShotSettings
from mocrop.evaluation.ablation.settings import AblationSettings
from mocrop.evaluation.bench.bench import BenchSettings
from mocrop.evaluation.coverage.settings import CoverageSettings
from mocrop.evaluation.flops import FlopsSettings
from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.gallery import GallerySettings
from mocrop.evaluation.report.format import write_json
from mocrop.evaluation.scores.evaluate import EvalSettings
from mocrop.evaluation.scores.targets import Choice
from mocrop.pipeline.cache.layout import CacheLayout
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.limits import MAX_SEED, NumberError, require_number, require_whole
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.registry import POLICIES
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.stages.extract_mv import ExtractSettings
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.strict_json import json_text
from mocrop.pipeline.workspace.settings_file import DatasetSettings
from mocrop.training.loop.saver import RunControl
from mocrop.training.recipe import TrainSettings

NEEDED: dict[type[Any], dict[str, Any]] = {  # what has no default
    PrecropSettings: {"name": "c", "size": 8},
    CacheLayout: {"frames": 1, "size": 8, "grid": (6, 8), "clips_per_shard": 1},
    DatasetSettings: {"dataset": Path("d")},
    POLICIES["maps"].settings: {"folder": str(Path("maps").absolute())},
}
KINDS: list[type[Any]] = [
    *{policy.settings: None for policy in POLICIES.values()},
    *(TranscodeSettings, ExtractSettings, PrecropSettings, MotionFieldSettings, CacheLayout, DatasetSettings),
    *(TrainSettings, RunControl, RunOptions, EvalSettings, Choice, FlopsSettings, BenchSettings),
    *(AblationSettings, FewShotSettings, CoverageSettings, ShowSettings, GallerySettings),
]
NOT_CHECKED = {(CacheLayout, "grid"), (CacheLayout, "motion_side")}  # checked by the settings that they come from


def numbers_of(kind: type[Any]) -> list[tuple[str, bool]]:
    """Names of the fields that hold a number, or several, and whether it is several."""
    hints, found = get_type_hints(kind), []
    for field in dataclasses.fields(kind):
        parts = get_args(hints[field.name]) or (hints[field.name],)
        if field.init and {int, float} & set(parts) and (kind, field.name) not in NOT_CHECKED:
            found.append((field.name, type(None) not in parts and len(parts) > 1))
    return found


FIELDS = [(kind, name, several) for kind in KINDS for name, several in numbers_of(kind)]


def test_the_list_holds_what_it_should() -> None:
    names = {(kind.__name__, name) for kind, name, _ in FIELDS}
    assert {("TrainSettings", "mixup"), ("AdaptiveSettings", "prior_size"), ("AblationSettings", "sizes")} < names
    assert len(names) > 80


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**30, -(10**30), "1", True])
def test_no_setting_takes_a_number_beyond_sense(value: object) -> None:
    for kind, name, several in FIELDS:
        default = getattr(kind(**NEEDED.get(kind, {})), name)
        given = (value, *default[1:]) if several and isinstance(default, tuple) else value
        if value is True and name == "grid":
            continue
        with pytest.raises((ValueError, TypeError)):
            pytest.fail(f"{kind.__name__} takes {kind(**NEEDED.get(kind, {}) | {name: given})}")


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**30])
def test_the_error_names_the_setting_and_is_a_line_for_people(value: float) -> None:
    for kind, name, several in FIELDS:
        if not several:
            with pytest.raises(NumberError, match=name.partition("_seconds")[0].replace("_", "[-_]")) as error:
                kind(**NEEDED.get(kind, {}) | {name: value})
            assert isinstance(error.value, SettingsError)
            assert "\n" not in str(error.value)


def test_limits_are_part_of_what_is_allowed() -> None:
    TrainSettings(seed=MAX_SEED, epochs=1, warmup_epochs=0, mixup=1e6, crop_scales=(1,))
    for seed in (MAX_SEED + 1, 2.5, -1):
        with pytest.raises(NumberError, match="seed must be"):
            TrainSettings(seed=seed)  # type: ignore[arg-type]
    require_number("x", np.float32(0.5), above=0, below=1)
    require_whole("x", np.int64(3), least=3, most=3)
    for value in (0.0, 1.0):
        with pytest.raises(NumberError, match="x must be above 0 and below 1, not"):
            require_number("x", value, above=0, below=1)
    with pytest.raises(NumberError, match=r"^x must be a whole number, not 3\.0$"):
        require_whole("x", 3.0)


def test_json_is_strict(tmp_path: Path) -> None:
    values = {"mean": math.nan, "high": (math.inf, np.float64("-inf"), 1.5), "n": 3, "name": "ü", "none": None}
    expected = {"mean": None, "high": [None, None, 1.5], "n": 3, "name": "ü", "none": None}

    def no_constant(word: str) -> None:
        pytest.fail(word)

    assert json.loads(json_text(values), parse_constant=no_constant) == expected
    write_json(values, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=no_constant) == expected
    assert json_text({"path": Path("a")}, default=str) == '{"path": "a"}'
    with pytest.raises(TypeError, match="not JSON serializable"):
        json_text({"path": Path("a")})
