"""Resolve the options of `mocrop precrop` to the settings of a crop cache."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from mocrop.pipeline.choices import At, Bars, Camera, Compression, Fit, Select, Shape, Source
from mocrop.pipeline.errors import MocropError, SettingsError
from mocrop.pipeline.motion.fields import MotionFieldSettings
from mocrop.pipeline.policies.precomputed import POLICY as MAPS
from mocrop.pipeline.policies.precomputed import settle_maps
from mocrop.pipeline.policies.registry import POLICIES, policy_settings
from mocrop.pipeline.settings import Plain
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.registry import Stages
from mocrop.pipeline.stages.stored_settings import stored_settings
from mocrop.pipeline.workspace.paths import Workspace

DEFAULT_POLICY, DEFAULT_SIZE = "motion", 192


class CropOptions(TypedDict, total=False):
    """Settings of a crop cache, as `mocrop precrop` takes them; None means not given."""

    size: int | None  # side of the stored frames, pixels
    source: Source | None  # the files to read; not given: those that extract-mv has read
    policy: str | None  # a key of POLICIES
    ratio: float | None  # area of the box, as a share of the frame
    grid: str | tuple[int, int] | None  # rows and cols of the density map, e.g. "6x8"
    frames: int | None  # slots per clip
    select: Select | None  # which frames fill them
    seed: int | None  # of the policy's sampling
    eps_px: float | None  # shorter vectors are noise, pixels
    samples: int | None  # vectors drawn per clip, by policy motion
    camera: Camera | None  # the camera's motion: left in the vectors, or subtracted
    motion_fields: bool | None  # whether to store motion fields beside the frames
    field_side: int | None  # side of the motion fields, cells
    field_span: int | None  # frames that a field is the mean of, at most
    field_camera: Camera | None  # as camera, for the motion fields
    compression: Compression | None  # of the frames
    max_damaged: float | None  # largest share of decoded frames that may be damaged, 0 to 1
    name: str | None  # of the cache; not given: <policy>-<size>
    folder: Path | str | None  # of density maps, for policy `maps`
    shape: Shape | None  # of the box, for policies center, adaptive and follow
    window_seconds: float | None  # how near to a slot motion counts, for policy follow
    bars: Bars | None  # black bars: part of the frame, or cut off first
    fit: Fit | None  # crops that are no squares: stretched to one, or padded
    clips: int | None  # windows per clip, with select dense; as are the next two
    stride: int | None  # frames of the video from one frame of a window to the next
    at: At | None  # where the windows are


FIELD_OPTIONS = ("motion_fields", "field_side", "field_span", "field_camera")
DENSE_OPTIONS = ("clips", "stride", "at")


def resolve_precrop(
    workspace: Workspace,
    stages: Stages,
    options: Mapping[str, Any],
    *,
    inherit: bool = True,
    stored: Mapping[str, Any] | None = None,
) -> PrecropSettings:
    """Resolve options to the settings of a cache: what is given, else what an existing cache has, else the defaults.

    Args:
        options: fields of PrecropSettings or of the policy's settings by name; None: not given. ``grid`` may be "6x8".
            A ``folder`` implies policy `maps`. ``motion_fields`` is True or False here; ``field_side``, ``field_span``
            and ``field_camera`` are their settings.
        inherit: whether a cache of that name says what is not given.
        stored: settings of the cache that says it, where that is not in the workspace.
    Raises: SettingsError naming the option that is invalid; CacheError if the existing cache cannot be read.
    """
    given = {name: value for name, value in options.items() if value is not None}
    asked_fields = {name: given.pop(name) for name in FIELD_OPTIONS if name in given}
    if isinstance(given.get("grid"), str):
        given["grid"] = parse_grid(given["grid"])
    if "folder" in given:
        given = {"policy": MAPS, **given, "folder": os.path.abspath(given["folder"])}
    policy, size = given.get("policy", DEFAULT_POLICY), given.get("size", DEFAULT_SIZE)
    name = given.get("name") or f"{policy}-{size}"
    known = dict(stored) if stored is not None else stored_settings(workspace, name) if inherit else {}
    policy = str(given.get("policy", known.get("policy", DEFAULT_POLICY)))
    if policy not in POLICIES:
        raise SettingsError(f"there is no policy {policy!r}; the policies are {', '.join(POLICIES)}")
    inherited = known.pop("policy_settings", {})
    if policy != known.get("policy", policy):
        inherited = {}
    if any(name in given and given[name] != known.get(name) for name in ("size", "frames", "select", "clips")):
        known.pop("clips_per_shard", None)  # follows from these
    _settle_dense(given, known)
    own_fields = {field.name for field in dataclasses.fields(PrecropSettings)}
    start = {"size": size, "source": stages.extract().settings.source, **known}
    own = {**start, **{key: value for key, value in given.items() if key in own_fields}}
    extra = {key: value for key, value in given.items() if key not in own_fields}
    if policy == MAPS:
        extra = settle_maps(extra, inherited, imported=stages.imported_maps(), root=workspace.root)
    elif "folder" in extra:
        raise SettingsError(f"--density-from implies policy {MAPS!r}; leave out --policy {policy}")
    try:
        fields = resolve_fields(asked_fields, known=own.pop("motion_fields", None))
        settings = {**own, "name": name, "policy": policy, "motion_fields": fields}
        return PrecropSettings(**settings, policy_settings=policy_settings(policy, {**inherited, **extra}))
    except (ValueError, MocropError) as error:
        raise SettingsError(str(error)) from error


def _settle_dense(given: Mapping[str, Any], known: Plain) -> None:
    """Let what is stored of windows go where other frames are asked for.

    Raises: SettingsError if an option of windows is given, and no windows are.
    """
    if given.get("select", known.get("select")) == "dense":
        return
    if named := ", ".join(f"--{name}" for name in DENSE_OPTIONS if name in given):
        raise SettingsError(f"{named}: goes with --select dense, which stores windows; leave it out, or add that")
    for name in DENSE_OPTIONS:
        known.pop(name, None)


def resolve_fields(asked: Mapping[str, Any], *, known: Plain | None) -> MotionFieldSettings | None:
    """Resolve options to the settings of motion fields; None: no fields.

    Args:
        asked: the given ones of FIELD_OPTIONS.
        known: settings of the fields of an existing cache, which apply where nothing is given; None: it has none.

    >>> resolve_fields({"field_side": 28}, known=None)
    MotionFieldSettings(side=28, span=12, camera='ignore')
    >>> resolve_fields({"motion_fields": False}, known={"side": 28})

    Raises: ValueError for an invalid setting.
    """
    if not asked.get("motion_fields", bool(asked or known)):
        return None
    own = {name.removeprefix("field_"): value for name, value in asked.items() if name != "motion_fields"}
    return MotionFieldSettings(**{**(known or {}), **own})


def parse_grid(text: str) -> tuple[int, int]:
    """Read rows and columns from text.

    >>> parse_grid("6x8")
    (6, 8)

    Raises: SettingsError if the text is anything else.
    """
    rows, _, cols = text.lower().partition("x")
    if not (rows.isdecimal() and cols.isdecimal()):
        raise SettingsError(f"--grid takes rows and columns such as 6x8, not {text!r}")
    return int(rows), int(cols)
