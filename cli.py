"""The command line: each command is a signature, a help text and one call."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import io
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from mocrop.evaluation.options import ArchOption, CheckpointOption, DeviceOption, RunOption, ViewsOption, WindowOptions
from mocrop.pipeline.choices import (
    At,
    Audio,
    Bars,
    Camera,
    Compression,
    Fit,
    Picture,
    Sample,
    Scene,
    Select,
    Shape,
    Source,
    Spread,
)
from mocrop.pipeline.names import printable
from mocrop.training.options import (
    CacheOption,
    EpochsOption,
    FreezeOption,
    LearningRateOption,
    MirrorOptions,
    TrainBatchOption,
    TrainDeviceOption,
    TrainOptions,
    WeightsOption,
)
from mocrop.training.recipe import Activation, FormName, Recipe

if TYPE_CHECKING:
    from mocrop.evaluation.pictures.gallery import Drawn
    from mocrop.pipeline.commands.export import ExportReport
    from mocrop.pipeline.commands.preprocess import Report
    from mocrop.pipeline.interrupts import Interrupts
    from mocrop.pipeline.run.session import RunOptions
    from mocrop.pipeline.terminal import Part
    from mocrop.pipeline.workspace.paths import Workspace

EXIT_FAILED_CLIPS = 3
EXIT_INTERRUPTED = 130


class Commands(typer.core.TyperGroup):
    """All commands; what Typer says of a wrong argument quotes it printably."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _printable_complaint():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _printable_complaint():
            return super().invoke(ctx)


@contextlib.contextmanager
def _printable_complaint() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message)  # type: ignore[attr-defined]  # Typer hides the class of these errors
        raise


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Motion-guided cropping for video classification: videos in, ready-cropped frames and trained models out.",
    epilog="\n\n".join(  # Typer takes an empty line as the end of a line
        (
            "UCF-101 in five commands:",
            "mocrop transcode UCF-101/ --splits ucfTrainTestlist/",
            "mocrop extract-mv",
            "mocrop precrop --size 192",
            "mocrop train --arch resnet50",
            "mocrop eval",
        )
    ),
)

Command = Callable[..., None]


def _place(text: str) -> Path:
    from mocrop.pipeline.dataset_place import dataset_place

    return dataset_place(text)


# `readable=False`, of all folders and files: Typer need not look, as the command says more of what cannot be read.

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w",
        "--workspace",
        envvar="MOCROP_WORKSPACE",
        help="Workspace folder.",
        show_default="nearest with a mocrop.toml, else ./mocrop-work",
        readable=False,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=0, help="Worker processes; 0: work in this process.", show_default="one per core")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print why each clip would run, and stop.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SplitsOption = Annotated[
    Path | None,
    typer.Option(
        help="A file or folder of lists: those of a public data set, `path label` lines, or a CSV.",
        show_default="those given before, else a generated split",
        readable=False,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Form of lists or folders: auto, folders, ucf101, hmdb51, kinetics, ssv2, diving48, activitynet, csv, "
        "list.",
        show_default="auto: say which is recognised",
    ),
]
GroupByOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX|COLUMN",
        help="Keep clips on one side, in all classes, whose paths give the same match, or the CSV the same cell.",
        show_default="the group in the file name, _gNN_",
    ),
]
NewDatasetArgument = Annotated[
    Path | None,
    typer.Argument(
        help="Folder or address that holds one folder of videos per class; needed only once.",
        metavar="[DATASET]",
        parser=_place,
    ),
]
ReplaceDatasetOption = Annotated[
    bool, typer.Option("--replace-dataset", help="Take DATASET even if the workspace has another one.")
]
SourceOption = Annotated[
    Source | None,
    typer.Option(
        help="Files to read: the transcoded ones, the data set's own, or each clip's own if that serves.",
        show_default="h264",
    ),
]
GridOption = Annotated[
    str | None, typer.Option(metavar="ROWSxCOLS", help="Cells of the density map.", show_default="6x8")
]
PolicyGridOption = Annotated[
    str | None,
    typer.Option(
        "--grid",
        metavar="ROWSxCOLS",
        help="Cells of the density map.",
        show_default="6x8; motion-v2: 9x16; adaptive, follow: 24x32; maps: that of the maps",
    ),
]
PolicySeedOption = Annotated[
    int | None, typer.Option("--seed", help="Seed of the policy's sampling.", show_default="0")
]
CameraOption = Annotated[
    Camera | None,
    typer.Option(
        help="The camera's motion: leave it in the vectors, or subtract it.",
        show_default="ignore; adaptive, follow: compensate",
    ),
]
EpsOption = Annotated[
    float | None,
    typer.Option("--eps-px", metavar="PIXELS", min=0, help="Shorter vectors are noise.", show_default="0.5"),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Vectors to draw per clip, by policy motion.", show_default="10000"),
]
MaxDamagedOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Fail a clip of whose frames a larger share is damaged.",
        show_default="0.25",
    ),
]
CrfOption = Annotated[int | None, typer.Option(min=0, max=51, help="Constant rate factor of x264.", show_default="23")]
KeyIntervalOption = Annotated[
    int | None, typer.Option(min=1, help="Frames from one key frame to the next.", show_default="12")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the cache if there is one already.")]
DensityOption = Annotated[
    Path | None,
    typer.Option(
        "--density-from",
        metavar="DIR",
        help="Crop by the reference's `.npy` density maps in this folder: policy maps, which needs no extract-mv.",
        readable=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class BoxOptions:
    """Options of crops, wherever they go, named as `resolve_precrop` takes them; None: not given."""

    policy: Annotated[
        str | None,
        typer.Option(
            help="How to choose the crop: full, picture, center, random, motion, motion-v2, adaptive, follow or maps.",
            show_default="motion",
        ),
    ] = None
    ratio: Annotated[
        float | None, typer.Option(help="Area of the crop as a share of the frame.", show_default="0.75")
    ] = None
    shape: Annotated[
        Shape | None,
        typer.Option(
            help="Shape of the crop, for center, adaptive and follow: the frame's own, or a square.",
            show_default="square for center, else frame",
        ),
    ] = None
    window_seconds: Annotated[
        float | None,
        typer.Option(
            "--window", metavar="SECONDS", help="How near to a slot motion counts, for follow.", show_default="0.24"
        ),
    ] = None
    bars: Annotated[
        Bars | None,
        typer.Option(
            help="Black bars: part of the frame, or cut off first, so that --ratio counts within the picture.",
            show_default="keep",
        ),
    ] = None
    fit: Annotated[
        Fit | None,
        typer.Option(
            help="Crops that are no squares: stretched to one, or padded, which keeps their shape.",
            show_default="squash",
        ),
    ] = None
    grid: PolicyGridOption = None
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frame slots per clip: the most frames stored.", show_default="16")
    ] = None
    seed: PolicySeedOption = None
    eps_px: EpsOption = None
    samples: SamplesOption = None
    camera: CameraOption = None
    max_damaged: MaxDamagedOption = None


@dataclass(frozen=True, kw_only=True)
class SizeOption:
    """The option that comes first, where caches are made; fields of the last base do."""

    size: Annotated[int | None, typer.Option(min=1, help="Side of the cropped frames, pixels.", show_default="192")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class CropOptions(BoxOptions, SizeOption):
    """Options of a crop cache."""

    select: Annotated[
        Select | None,
        typer.Option(
            help="Which frames to store: key frames, frames at even steps, or windows of neighbouring frames.",
            show_default="keyframes",
        ),
    ] = None
    clips: Annotated[
        int | None, typer.Option(min=1, help="dense: windows per clip, of --frames each.", show_default="4")
    ] = None
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="dense: frames of the video from one of a window to the next.", show_default="2"),
    ] = None
    at: Annotated[
        At | None, typer.Option(help="dense: windows evenly spread, or where the most moves.", show_default="even")
    ] = None
    motion_fields: Annotated[
        bool | None, typer.Option("--motion-fields", help="Also store a dense motion field for every frame.")
    ] = None
    field_side: Annotated[
        int | None, typer.Option(min=1, help="Side of the motion fields, cells.", show_default="56")
    ] = None
    field_span: Annotated[
        int | None, typer.Option(min=1, help="The most frames that a motion field is the mean of.", show_default="12")
    ] = None
    field_camera: Annotated[
        Camera | None, typer.Option(help="As --camera, for the motion fields.", show_default="ignore")
    ] = None
    compression: Annotated[
        Compression | None,
        typer.Option(
            help="Compression of the frames; zstd takes about 37 % less space and is slower to read.",
            show_default="none",
        ),
    ] = None
    name: Annotated[str | None, typer.Option(help="Name of the cache.", show_default="<policy>-<size>")] = None


@dataclass(frozen=True, kw_only=True)
class PrecropOptions(CropOptions):
    """Options of `mocrop precrop`: those of `mocrop run` for the cache, and a few more."""

    source: Annotated[
        Source | None,
        typer.Option(help="Files to read, as for extract-mv.", show_default="those that extract-mv has read"),
    ] = None

    folder: DensityOption = None
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Write the cache to this address instead; workers do all stages on their own disks.",
            show_default="into the workspace",
        ),
    ] = None
    scratch: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --to: the workers' folder for what they need of one shard.",
            show_default="that of temporary files",
            readable=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WhatToExport:
    """The options of `mocrop export` that come first."""

    to: Annotated[
        str | None,
        typer.Option(
            help="Form of the export: mp4, frames, webdataset or huggingface.",
            show_default="that of the export in DIR",
        ),
    ] = None
    cache: Annotated[
        str | None,
        typer.Option(
            help="Crop cache whose boxes to take, instead of those of a policy.",
            show_default="the only one, unless an option of the crop is given",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions(BoxOptions, WhatToExport):
    """Options of `mocrop export`, named as `resolve_export` takes them; None: not given."""

    select: Annotated[
        Spread | None,
        typer.Option(help="Which frames to store: key frames, or frames at even steps.", show_default="keyframes"),
    ] = None
    density_from: DensityOption = None
    size: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Side of the frames, pixels; mp4, 0: those of the source.",
            show_default="that of the cache",
        ),
    ] = None
    fps: Annotated[
        float | None, typer.Option(min=0, help="mp4: frames a second.", show_default="all, at their own times")
    ] = None
    crf: Annotated[
        int | None, typer.Option(min=0, max=51, help="mp4: constant rate factor of x264.", show_default="18")
    ] = None
    preset: Annotated[str | None, typer.Option(help="mp4: preset of x264.", show_default="veryfast")] = None
    audio: Annotated[Audio | None, typer.Option(help="mp4: the sound of the clips.", show_default="drop")] = None
    image: Annotated[Picture | None, typer.Option(help="frames: files of the frames.", show_default="jpg")] = None
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="frames: quality of JPEG.", show_default="95")] = (
        None
    )
    sample: Annotated[
        Sample | None,
        typer.Option(help="webdataset: what a sample holds, the frames or a video.", show_default="frames"),
    ] = None
    shard_mb: Annotated[
        float | None,
        typer.Option(metavar="MB", min=0, help="webdataset: size of a tar file on average.", show_default="256"),
    ] = None
    shuffle_seed: Annotated[
        int | None, typer.Option(min=0, help="webdataset: seed of the order of clips.", show_default="0")
    ] = None
    split: Annotated[
        str | None,
        typer.Option(help="webdataset, huggingface: split that says the subsets, by name or number.", show_default="1"),
    ] = None
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="webdataset, huggingface: licence of the videos, for the card.", show_default="unknown"
        ),
    ] = None
    source_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="webdataset, huggingface: where they are from, for the card.", show_default="unknown"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Options of the workers that run the stages."""

    workers: WorkersOption = None
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on an existing Dask cluster, e.g. tls://10.0.0.1:8786."),
    ] = None
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="tls:// --scheduler: certificate of who has signed those of the cluster.",
            show_default="Dask's configuration",
            readable=False,
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="tls:// --scheduler: certificate of this process.",
            show_default="Dask's configuration",
            readable=False,
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="tls:// --scheduler: private key of this process.",
            show_default="Dask's configuration",
            readable=False,
        ),
    ] = None
    clip_timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Time limit per clip; 0: none.")] = 600

    def run(self, *, as_json: bool = False) -> RunOptions:
        """The same as RunOptions, set to print what is found in a data set as soon as that is known.

        People are warned of an address that is not safe.

        Args:
            as_json: print it on standard error, because standard output is for programs.
        """
        from mocrop.pipeline.commands.console import print_changes
        from mocrop.pipeline.commands.dataset_console import print_dataset
        from mocrop.pipeline.run.session import RunOptions
        from mocrop.pipeline.run.tls import TlsFiles, warning_of
        from mocrop.pipeline.terminal import LineConsole

        tls = TlsFiles(ca=self.tls_ca, cert=self.tls_cert, key=self.tls_key)
        if self.scheduler is not None and (warning := warning_of(self.scheduler)):
            _say_to_people(warning)
        return RunOptions(
            workers=self.workers,
            scheduler=self.scheduler,
            tls=tls,
            clip_seconds=self.clip_timeout,
            on_dataset=functools.partial(print_dataset, LineConsole(stderr=as_json)),
            on_changes=functools.partial(print_changes, LineConsole(stderr=as_json)),
        )


def grouped(command: Command) -> Command:
    """Replace each parameter that is a dataclass of options by one parameter per field, as Typer needs them."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {
        each.name: each.annotation for each in parameters if dataclasses.is_dataclass(each.annotation)
    }
    fields = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}

    @functools.wraps(command)
    def with_fields(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field: values.pop(field) for field in fields[name]})
        command(**values)

    flat = [field for each in parameters for field in fields.get(each.name, {each.name: each}).values()]
    with_fields.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return with_fields


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mocrop {version('mocrop')}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    # Options before the name of a command. No docstring: it would replace the help text of `app`.
    pass


def main(arguments: list[str] | None = None, *, interrupts: Interrupts | None = None) -> None:
    """Run the command line; an error that the user can put right ends in one line and exit code 1.

    A traceback means a mistake in mocrop. What the system says of files and disks is no mistake, wherever it comes up.

    Args:
        interrupts: what has been heard of signals; None: Ctrl-C is left to Python.
    """
    from mocrop.pipeline.errors import ClusterError, MocropError, SilentExit, StoppedError
    from mocrop.pipeline.system_errors import as_mocrop_errors, require_folder

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells at length that it found no folder for its fonts
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # so that lines of both keep their order in a file, and the help, too, is printed whatever the encoding
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        with as_mocrop_errors():
            require_folder()
            app(arguments, prog_name="mocrop")
    except StoppedError as end:
        _say_to_people(str(end))
        sys.exit(end.exit_code)
    except MocropError as error:
        if isinstance(error, ClusterError) and interrupts and interrupts.stopped():
            sys.exit(_stopped(interrupts))  # workers may hear a signal first
        _say_to_people(("error: ", "red"), str(error))
        sys.exit(1)
    except SystemExit as end:
        # Typer turns Ctrl-C into this exit without printing anything.
        if end.code == EXIT_INTERRUPTED and not isinstance(end, SilentExit):
            _stopped(interrupts)
        raise
    except Exception:
        if interrupts and interrupts.stopped():
            sys.exit(_stopped(interrupts))  # a library has made another error of it
        from mocrop.pipeline.terminal import print_traceback

        sys.excepthook = print_traceback  # Typer has put its own there
        raise


@app.command()
def init(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder or address of videos, by class unless lists say it.", metavar="DATASET", parser=_place
        ),
    ],
    splits: SplitsOption = None,
    form: FormatOption = None,
    unlabelled: Annotated[
        bool | None,
        typer.Option("--unlabelled", help="Videos in any folders, without labels: for all but train, eval and ablate."),
    ] = None,
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--no-multi-label",
            help="A clip may have several labels; rows for it add up.",
            show_default="no-multi-label",
        ),
    ] = None,
    label_separator: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Between several labels in one cell, such as '|'; implies --multi-label."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the generated split.", show_default="0")] = None,
    group_by: GroupByOption = None,
    replace_dataset: ReplaceDatasetOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find clips, classes and splits, and write the workspace."""
    from mocrop.pipeline.commands import preprocess

    report = preprocess.init(
        _workspace(workspace),
        dataset,
        splits=splits,
        form=form,
        unlabelled=unlabelled,
        multi_label=multi_label,
        label_separator=label_separator,
        seed=seed,
        group_by=group_by,
        replace_dataset=replace_dataset,
    )
    _finish(report, as_json)


@app.command()
@grouped
def transcode(
    *,
    dataset: NewDatasetArgument = None,
    splits: SplitsOption = None,
    group_by: GroupByOption = None,
    crf: CrfOption = None,
    preset: Annotated[str | None, typer.Option(help="Preset of x264.", show_default="veryfast")] = None,
    key_interval: KeyIntervalOption = None,
    deinterlace: Annotated[
        bool | None,
        typer.Option(
            "--deinterlace/--no-deinterlace", help="Make one picture of the two fields of a frame.", show_default="off"
        ),
    ] = None,
    max_damaged: MaxDamagedOption = None,
    replace_dataset: ReplaceDatasetOption = False,
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Encode the clips as H.264 with key frames at a fixed interval."""
    from mocrop.pipeline.commands import preprocess

    where = _workspace(workspace)
    if dry_run:
        options: dict[str, Any] = {"crf": crf, "preset": preset, "key_interval": key_interval}
        options |= {"deinterlace": deinterlace, "max_damaged": max_damaged}
        return _explain(where, "transcode", options, of=(dataset, splits, group_by))
    report = preprocess.transcode(
        where,
        dataset,
        splits=splits,
        group_by=group_by,
        crf=crf,
        preset=preset,
        key_interval=key_interval,
        deinterlace=deinterlace,
        max_damaged=max_damaged,
        replace_dataset=replace_dataset,
        run=cluster.run(as_json=as_json),
    )
    _finish(report, as_json)


@app.command()
@grouped
def extract_mv(
    *,
    source: SourceOption = None,
    key_frames: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Key frames that a clip's own file needs, with --source auto.", show_default="16"
        ),
    ] = None,
    max_damaged: MaxDamagedOption = None,
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Extract motion vectors and fit the motion of the camera."""
    from mocrop.pipeline.commands import preprocess

    where = _workspace(workspace)
    if dry_run:
        options = {"source": source, "key_frames": key_frames, "max_damaged": max_damaged}
        return _explain(where, "extract-mv", options)
    run = cluster.run(as_json=as_json)
    report = preprocess.extract_mv(where, source=source, key_frames=key_frames, max_damaged=max_damaged, run=run)
    _finish(report, as_json)


@app.command()
@grouped
def precrop(
    *,
    crop: PrecropOptions,
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose crop boxes and write the cropped frames to a cache that training reads directly."""
    from mocrop.pipeline.commands import preprocess

    where = _workspace(workspace)
    if dry_run:
        return _explain(where, "precrop", vars(crop))
    _finish(preprocess.precrop(where, overwrite=overwrite, run=cluster.run(as_json=as_json), **vars(crop)), as_json)


@app.command()
@grouped
def run(
    *,
    dataset: NewDatasetArgument = None,
    splits: SplitsOption = None,
    group_by: GroupByOption = None,
    crf: CrfOption = None,
    key_interval: KeyIntervalOption = None,
    source: SourceOption = None,
    crop: CropOptions,
    overwrite: OverwriteOption = False,
    replace_dataset: ReplaceDatasetOption = False,
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run transcode, extract-mv and precrop in order, on the clips that need them."""
    from mocrop.pipeline.commands import preprocess

    where = _workspace(workspace)
    if dry_run:
        options = {"crf": crf, "key_interval": key_interval, "source": source, **vars(crop)}
        return _explain(where, "run", options, of=(dataset, splits, group_by))
    report = preprocess.run_all(
        where,
        dataset,
        splits=splits,
        group_by=group_by,
        crf=crf,
        key_interval=key_interval,
        source=source,
        overwrite=overwrite,
        replace_dataset=replace_dataset,
        run=cluster.run(as_json=as_json),
        **vars(crop),
    )
    _finish(report, as_json)


@app.command()
@grouped
def export(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to export into.", readable=False)],
    crop: ExportOptions,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the export in DIR.")] = False,
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the crops in a form that other training code reads: MP4 files, pictures, tar shards."""
    from mocrop.pipeline.commands.console import print_exported
    from mocrop.pipeline.commands.export import export_crops

    where = _workspace(workspace)
    if dry_run:
        return _explain(where, "export", {"into": folder, **vars(crop)})
    report = export_crops(where, folder, overwrite=overwrite, run=cluster.run(as_json=as_json), **vars(crop))
    _print_result(report, print_exported, as_json)
    _exit_with_3_if_any_failed(report)


@app.command()
@grouped
def retry(*, workspace: WorkspaceOption = None, cluster: ClusterOptions, as_json: JsonOption = False) -> None:
    """Try the failed clips again."""
    from mocrop.pipeline.commands import preprocess
    from mocrop.pipeline.commands.console import print_retry

    report = preprocess.retry(_workspace(workspace), run=cluster.run(as_json=as_json))
    _print_result(report, print_retry, as_json)
    _exit_with_3_if_any_failed(report)


@app.command()
def status(
    failed: Annotated[bool, typer.Option("--failed", help="List every failed clip with its message.")] = False,
    notes: Annotated[
        bool, typer.Option("--notes", help="Show what was noted on clips that are done, by reason and by clip.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is done, to do, stale and failed, and the command to run next."""
    from mocrop.pipeline.commands.console import print_status
    from mocrop.pipeline.commands.status import workspace_status

    state = workspace_status(_workspace(workspace), failures=failed or as_json, notes=notes)
    shown = functools.partial(print_status, failures=failed, notes=notes)
    _print_result(state, shown, as_json)


@app.command()
def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Look at what mocrop needs of this machine: what is missing, for which command, and what to do about it."""
    from mocrop.pipeline.commands.doctor.console import print_doctor
    from mocrop.pipeline.commands.doctor.report import doctor as look
    from mocrop.pipeline.terminal import LineConsole
    from mocrop.training.gpu import gpu

    report = look(_workspace(workspace), more=[("GPU", gpu)], console=LineConsole(stderr=True))
    _print_result(report, print_doctor, as_json)
    report.require_working()


@app.command()
def verify(
    cache: Annotated[
        str | None,
        typer.Argument(help="Crop cache or export to check: name or folder.", show_default="the whole workspace"),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also decode every H.264 file.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mark what is damaged as not done, so that the stages make it again.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="No longer expect CACHE: its folder was removed on purpose.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check for missing, truncated and damaged files and print the commands that repair them."""
    from mocrop.pipeline.commands.console import print_verify
    from mocrop.pipeline.commands.verify import verify as verify_workspace
    from mocrop.pipeline.terminal import LineConsole

    report = verify_workspace(
        _workspace(workspace), cache=cache, deep=deep, repair=repair, forget=forget, console=LineConsole(stderr=True)
    )
    _print_result(report, print_verify, as_json)
    if not report.is_sound:
        raise typer.Exit(EXIT_FAILED_CLIPS)


@app.command()
def push(
    cache: Annotated[str, typer.Argument(metavar="NAME", help="Crop cache: its name, or its folder.")],
    address: Annotated[
        str, typer.Argument(metavar="URL", help="Address of the cache there, e.g. s3://bucket/motion-192.zarr.")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another cache that is there.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Copy it although clips are not written yet.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a crop cache to an address; what is there already stays, and readers see all of it or nothing."""
    from mocrop.pipeline.commands.transfer import print_pushed
    from mocrop.pipeline.commands.transfer import push as push_to

    done = push_to(_workspace(workspace), cache, address, overwrite=overwrite, unfinished=unfinished)
    _print_result(done, print_pushed, as_json)


@app.command()
def pull(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="Address of a crop cache, e.g. s3://bucket/motion-192.zarr.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the cache here.", show_default="as there")] = None,
    overwrite: OverwriteOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a crop cache from an address into the workspace; it gets its name once every byte was checked."""
    from mocrop.pipeline.commands.transfer import print_pulled
    from mocrop.pipeline.commands.transfer import pull as pull_from

    _print_result(pull_from(_workspace(workspace), address, name=name, overwrite=overwrite), print_pulled, as_json)


@app.command()
def show(
    clip: Annotated[str, typer.Argument(help="Name of a clip, path of its file, or an ending that no other clip has.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write.", show_default="reports/show/<clip>.png", readable=False),
    ] = None,
    video: Annotated[bool, typer.Option("--video", help="Write an MP4 of all frames instead of a page.")] = False,
    crops: Annotated[
        bool, typer.Option("--crops", help="Show the boxes of each policy in a row, and the crops below them.")
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Policy whose box to draw; repeatable.", show_default="all that work on the clip"),
    ] = None,
    ratio: Annotated[float, typer.Option(help="Area of the boxes as a share of the frame.")] = 0.75,
    bars: Annotated[Bars, typer.Option(help="Black bars: part of the frame, or cut off first.")] = "keep",
    frames: Annotated[int, typer.Option(min=1, help="The most frames to show.")] = 6,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw one clip: key frames, motion vectors, density maps, boxes and their ways, and the camera's motion."""
    from mocrop.evaluation.pictures.show import show_in_workspace

    where = _workspace(workspace)
    file = show_in_workspace(
        where,
        clip,
        policies=policy or (),
        ratio=ratio,
        bars=bars,
        frames=frames,
        crops=crops,
        video=video,
        output=output,
    )
    _say(str(file))


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Options of `mocrop gallery` that belong to a page for a browser."""

    html: Annotated[
        bool, typer.Option("--html", help="Write a page for a browser: cards to filter and sort, a view of each clip.")
    ] = False
    single_file: Annotated[
        bool, typer.Option("--single-file", help="With --html: one file that holds everything, instead of a folder.")
    ] = False
    report: Annotated[
        Path | None,
        typer.Option(help="With --html: predictions of `mocrop eval`, its .npz or .json.", readable=False),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With --html: replace a gallery that is there.")] = (
        False
    )


@app.command()
@grouped
def gallery(
    *,
    clips: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Clips to show, at most, evenly over the classes.",
            show_default="48; with --html 3000, with --single-file 200",
        ),
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy whose boxes to draw; repeatable.", show_default="motion")
    ] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Area of the boxes as a share of the frame.", show_default="0.75")
    ] = None,
    bars: Annotated[
        Bars | None,
        typer.Option(help="Black bars: part of the frame, or cut off first.", show_default="keep"),
    ] = None,
    cache: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the crops of this cache instead: its name or its folder; with --html repeatable.",
            show_default="none; with --html all",
        ),
    ] = None,
    page: PageOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write; with --html a folder.",
            show_default="in reports/gallery/",
            readable=False,
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Draw many clips on one page: a key frame of each with the boxes of policies, or the crops of a cache."""
    from mocrop.evaluation.pictures.page.command import draw_gallery_or_page
    from mocrop.pipeline.terminal import LineConsole

    drawn = draw_gallery_or_page(
        _workspace(workspace),
        caches=cache or (),
        policies=policy or (),
        ratio=ratio,
        bars=bars,
        clips=clips,
        output=output,
        console=LineConsole(stderr=True),
        **dataclasses.asdict(page),
    )
    _say(str(drawn.file))
    _exit_with_3_if_any_failed(drawn)


@app.command()
def export_npy(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder to write to, as <folder>/<Class>/<clip>/motion_vectors_....npy.", readable=False),
    ],
    grid: GridOption = None,
    eps_px: EpsOption = None,
    samples: SamplesOption = None,
    seed: PolicySeedOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace maps of this grid in the folder.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the density map of every clip in the reference implementation's format."""
    from mocrop.pipeline.commands.console import print_export
    from mocrop.pipeline.commands.maps import export_maps, export_settings

    settings = export_settings({"grid": grid, "eps_px": eps_px, "samples": samples, "seed": seed})
    _print_result(export_maps(_workspace(workspace), folder, settings, overwrite=overwrite), print_export, as_json)


@app.command()
def import_npy(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the reference's maps, with one folder per class.", readable=False)
    ],
    grid: Annotated[
        str | None, typer.Option(metavar="ROWSxCOLS", help="Grid of the maps.", show_default="the only one there")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check density maps of the reference implementation, and remember their folder for `precrop --policy maps`."""
    from mocrop.pipeline.commands.console import print_import
    from mocrop.pipeline.commands.maps import import_maps
    from mocrop.pipeline.stages.cache_settings import parse_grid

    report = import_maps(_workspace(workspace), folder, grid=parse_grid(grid) if grid else None)
    _print_result(report, print_import, as_json)
    if report.bad:
        raise typer.Exit(EXIT_FAILED_CLIPS)


@app.command()
@grouped
def train(
    *,
    options: TrainOptions,
    mirror: MirrorOptions,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    context: typer.Context,
) -> None:
    """Train a backbone on a crop cache, or go on with a run that is there."""
    from mocrop.pipeline.terminal import LineConsole
    from mocrop.training.commands import call_of, train_in_workspace
    from mocrop.training.distributed import join_ranks

    with join_ranks() as ranks:
        where = _workspace(workspace).require()
        call = call_of(where, options, _given(context))
        result = train_in_workspace(
            where,
            call.settings,
            cache=call.cache,
            mirror=mirror.choice,
            name=options.name,
            save_every_minutes=options.save_every,
            tensorboard=options.tensorboard,
            extend=call.extend,
            ranks=ranks,
            console=LineConsole(stderr=as_json),
        )
    if ranks.first:
        _print_result(
            result, lambda console, done: console.print(f"best epoch {done.best.epoch}: {done.checkpoint}"), as_json
        )


@app.command("eval")
@grouped
def evaluate(
    run: RunOption = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Checkpoint file instead of a run; one of another program needs --arch.", readable=False),
    ] = None,
    arch: ArchOption = None,
    cache: CacheOption = None,
    split: Annotated[
        str,
        typer.Option(help="Split, by number or name; all: each split by the run trained on it, and the mean."),
    ] = "1",
    segments: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Frames per clip, from the middles of equal segments.",
            show_default="8; for video/... as in its validation",
        ),
    ] = None,
    views: ViewsOption = None,
    fuse: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Average the softmax with that of this run, which reads its own cache."),
    ] = None,
    fuse_weight: Annotated[float, typer.Option(min=0, max=1, help="Weight of the run that --fuse names.")] = 0.5,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips per batch.")] = 32,
    device: DeviceOption = "auto",
    *,
    mirror: MirrorOptions,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run or a checkpoint on the test clips of a crop cache."""
    from mocrop.evaluation.commands import evaluate_in_workspace, print_evaluation
    from mocrop.evaluation.scores.evaluate import EvalSettings
    from mocrop.evaluation.scores.targets import Choice
    from mocrop.pipeline.terminal import LineConsole
    from mocrop.training.distributed import join_ranks

    with join_ranks() as ranks:
        choice = Choice(
            run=run,
            checkpoint=checkpoint,
            arch=arch,
            cache=cache,
            mirror=mirror.choice,
            fuse=fuse,
            fuse_weight=fuse_weight,
        )
        settings = EvalSettings(
            split=split, segments=segments, views=views, batch_size=batch_size, device=device, ranks=ranks
        )
        console = LineConsole(stderr=True, quiet=not ranks.first)
        done = evaluate_in_workspace(_workspace(workspace).require(), settings, choice, console=console)
    if ranks.first:
        _print_result(done.to_json() if as_json else done, print_evaluation, as_json)


@app.command()
@grouped
def predict(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files, folders or patterns; -: paths on standard input.")
    ],
    run: RunOption = None,
    checkpoint: CheckpointOption = None,
    arch: ArchOption = None,
    cache: Annotated[
        str | None,
        typer.Option(
            help="Read the files as the clips of this crop cache were: its name, folder or address.",
            show_default="that of the training",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to show of each file.")] = 5,
    segments: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames per file, as for eval.", show_default="as for eval, or the slots of the cache"
        ),
    ] = None,
    views: ViewsOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write a CSV file, a row a file or a window.", readable=False)
    ] = None,
    device: DeviceOption = "auto",
    *,
    long: WindowOptions,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a trained network say what is in videos; nothing is written, and a checkpoint needs no workspace."""
    from mocrop.evaluation.answers.command import keep_answers, predict_files, print_any_answers
    from mocrop.evaluation.answers.predict import Network
    from mocrop.pipeline.terminal import LineConsole

    network = Network(
        run=run, checkpoint=checkpoint, arch=arch, cache=cache, segments=segments, views=views, device=device
    )
    console, wishes = LineConsole(stderr=True), long.wishes
    answers = predict_files(
        _workspace(workspace), network, videos, csv=csv, wishes=wishes, windows=long.windows, console=console
    )
    shown = functools.partial(print_any_answers, top=top)
    try:
        _print_result(answers.to_json(top=top) if as_json else answers, shown, as_json)
    finally:  # who reads only the first lines has the files all the same
        failed = keep_answers(answers, top=top, csv=csv, wishes=wishes, console=console)
    if failed:
        raise typer.Exit(EXIT_FAILED_CLIPS)


@app.command()
def export_model(
    run: RunOption = None,
    checkpoint: CheckpointOption = None,
    to: Annotated[FormName, typer.Option(help="Form of the file.")] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write, *.onnx or *.torchscript.",
            show_default="beside the checkpoint",
            readable=False,
        ),
    ] = None,
    activation: Annotated[
        Activation | None, typer.Option(help="From logits to probabilities.", show_default="by the loss of the run")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained network as an ONNX or TorchScript file: stored frames in, probabilities out."""
    from mocrop.evaluation.model_export.command import chosen_checkpoint, export_with_status, print_exported
    from mocrop.pipeline.terminal import LineConsole

    source = chosen_checkpoint(_workspace(workspace), run=run, checkpoint=checkpoint)
    done = export_with_status(source, output, to=to, activation=activation, console=LineConsole(stderr=True))
    _print_result(done.to_json() if as_json else done, print_exported, as_json)


@app.command()
def flops(
    arch: Annotated[
        list[str] | None,
        typer.Option(help="Backbone, as for train; repeatable.", show_default="six of torchvision"),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Side of the frames, pixels; repeatable.", show_default="224, 192; of them what video/... takes"
        ),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 101,
    segments: Annotated[
        int | None, typer.Option(min=1, help="Frames per clip.", show_default="8; 16 for video/...")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the operations of backbones per frame and per clip, and what a smaller size saves."""
    from mocrop.evaluation.flops import FlopsSettings
    from mocrop.evaluation.report.flops import costs_json, count_with_status, print_costs
    from mocrop.pipeline.settings import settings_from
    from mocrop.pipeline.terminal import LineConsole

    options = {"archs": tuple(arch) if arch else None, "sizes": tuple(size) if size else None}
    counts = {"classes": classes, "segments": segments}
    costs = count_with_status(
        settings_from(FlopsSettings, counts, options, where="mocrop flops"), LineConsole(stderr=True)
    )
    if as_json:
        _print_json(costs_json(costs, segments=segments))
    else:
        print_costs(LineConsole(), costs, segments=segments)


@app.command()
def coverage(
    boxes: Annotated[
        Path,
        typer.Option(
            help="File of the actors' boxes: JSON, or the corrected .mat annotations of UCF101-24.", readable=False
        ),
    ],
    policy: Annotated[list[str] | None, typer.Option(help="Policy to measure; repeatable.", show_default="all")] = None,
    ratio: Annotated[
        list[float] | None,
        typer.Option(help="Area of the crop as a share of the frame; repeatable.", show_default="0.75, 0.5, 0.25, 0.1"),
    ] = None,
    camera: CameraOption = None,
    bars: Annotated[
        Bars | None,
        typer.Option(help="Black bars: part of the frame, or cut off before areas count.", show_default="keep"),
    ] = None,
    groups: Annotated[str | None, typer.Option(help="Only clips of these UCF groups, e.g. 13-25.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frame slots per clip, as for precrop.", show_default="16")
    ] = None,
    select: Annotated[
        Spread | None,
        typer.Option(help="Which frames have a slot: key frames, or frames at even steps.", show_default="keyframes"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how much of the annotated actors each policy keeps, in comparison with the centre crop."""
    from mocrop.evaluation.coverage.console import print_coverage
    from mocrop.evaluation.coverage.report import coverage_in_workspace, coverage_json
    from mocrop.evaluation.coverage.settings import coverage_settings
    from mocrop.pipeline.terminal import LineConsole

    settings = coverage_settings(
        policies=policy or (),
        ratios=ratio or (),
        camera=camera,
        bars=bars,
        groups=groups,
        slots=frames,
        select=select,
    )
    measured, files = coverage_in_workspace(_workspace(workspace), settings, boxes=boxes)
    if as_json:
        _print_json(coverage_json(measured))
    else:
        print_coverage(LineConsole(), measured, files)


@app.command()
def advise(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Recommend a policy and its settings for the clips at hand, by what has been measured on clips like them."""
    from mocrop.evaluation.advice.report import advice_json, advise_in_workspace, print_advice
    from mocrop.pipeline.terminal import LineConsole

    advice = advise_in_workspace(_workspace(workspace), console=LineConsole(stderr=True))
    _print_result(advice_json(advice) if as_json else advice, print_advice, as_json)


@app.command()
def bench(
    cache: Annotated[str | None, typer.Option(help="Name of the crop cache.", show_default="the first one")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers to estimate the stages for.", show_default="one per core")
    ] = None,
    videos: Annotated[bool, typer.Option("--videos/--no-videos", help="Run the stages on a few of the videos.")] = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast this machine reads a cache, and estimate how long preparing the data set would take."""
    from mocrop.evaluation.bench.bench import BenchSettings
    from mocrop.evaluation.bench.report import bench_with_status, print_bench
    from mocrop.pipeline.terminal import LineConsole

    settings = BenchSettings(cache=cache, workers=workers, videos=videos)
    result = bench_with_status(_workspace(workspace), settings, LineConsole(stderr=True))
    _print_result(result, print_bench, as_json)


@app.command()
@grouped
def ablate(
    *,
    arch: Annotated[str, typer.Option(help="Backbone, as for `mocrop train`.")] = "resnet50",
    weights: WeightsOption = None,
    policies: Annotated[
        str | None,
        typer.Option(
            help="Policies, separated by commas.",
            show_default="full, picture, center, center-frame, random, motion, motion-v2, adaptive, follow",
        ),
    ] = None,
    ratio: Annotated[str, typer.Option(help="Areas of the crops as shares of the frame, e.g. 0.75,0.5.")] = "0.75",
    sizes: Annotated[str, typer.Option(help="Sizes to train and test at, pixels.")] = "192,224",
    splits: Annotated[str, typer.Option(help="Splits, e.g. 1,2,3; or all.")] = "1",
    seeds: Annotated[str, typer.Option(help="Seeds of the training, e.g. 0,1,2.")] = "0",
    freeze_backbone: FreezeOption = False,
    few_shot: Annotated[
        str | None,
        typer.Option(metavar="GROUPS", help="Also train on only this many groups of each class, e.g. 1,2,4."),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=2, help="Random draws of those groups; two for each group that there is, or more.")
    ] = 300,
    motion_stream: Annotated[
        str | None,
        typer.Option(metavar="ARCH", help="Also train this backbone on motion fields and fuse it, e.g. timm/resnet18."),
    ] = None,
    motion_weights: Annotated[
        str | None,
        typer.Option(help="As --weights, for --motion-stream.", show_default="imagenet; kinetics for video/..."),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(help="Frames per clip in testing, e.g. 1,2,4.", show_default="8; 16 for video/..."),
    ] = None,
    slots: Annotated[
        int | None, typer.Option(min=1, help="Frame slots per clip of the caches.", show_default="the most --frames")
    ] = None,
    pool: Annotated[str, typer.Option(help="What heads take of a clip's frames: mean, mean-std or both.")] = "mean",
    cross_sizes: Annotated[
        bool, typer.Option("--cross-sizes", help="Test networks at the sizes that they were not trained at, too.")
    ] = False,
    lists: Annotated[
        str, typer.Option(help="Whole lists: train networks of all sizes and pools, or of the main ones alone (main).")
    ] = "all",
    segments: Annotated[str | None, typer.Option(hidden=True, help="Of an older mocrop; --frames says it now.")] = None,
    recipe: Annotated[Recipe, typer.Option(help="Where the training defaults come from.")] = "reference",
    epochs: EpochsOption = None,
    batch_size: TrainBatchOption = None,
    learning_rate: LearningRateOption = None,
    device: TrainDeviceOption = "auto",
    name: Annotated[str, typer.Option(help="Name of the ablation: of its folders in reports/ and runs/.")] = "ablation",
    workspace: WorkspaceOption = None,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Train and test every policy at every size, and report which differences the results show."""
    from mocrop.evaluation.ablation.callback import ConsoleAblationCallback
    from mocrop.evaluation.ablation.command import ablate_in_workspace, ablation_settings, require_no_segments
    from mocrop.evaluation.ablation.console import print_ablation
    from mocrop.evaluation.ablation.report import report_json
    from mocrop.pipeline.terminal import LineConsole

    require_no_segments(segments)
    settings = ablation_settings(
        policies=policies,
        ratios=ratio,
        sizes=sizes,
        splits=splits,
        seeds=seeds,
        frames=frames,
        slots=slots,
        pools=pool,
        cross_sizes=cross_sizes,
        lists=lists,  # type: ignore[arg-type]  # the settings check it
        recipe=recipe,
        training={
            "arch": arch,
            "weights": weights,
            "freeze_backbone": freeze_backbone,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "device": device,
        },
        stream={"arch": motion_stream, "weights": motion_weights} if motion_stream else None,
        few_shot=few_shot,
        draws=draws,
    )
    callback = ConsoleAblationCallback(LineConsole(stderr=True))
    result, files = ablate_in_workspace(
        _workspace(workspace), settings, name=name, run=cluster.run(), callback=callback
    )
    if as_json:
        _print_json(report_json(result))
    else:
        print_ablation(LineConsole(), report_json(result), files)
    if result.failed:
        _say_to_people(f"{result.failed} clips failed and are left out; `mocrop status --failed` names them")
        raise typer.Exit(EXIT_FAILED_CLIPS)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.", readable=False)] = Path("mocrop-demo"),
    scene: Annotated[
        Scene,
        typer.Option(
            help="Clips to make: sprites that circle, people who cross before a still camera, or clips that the order "
            "of their frames alone tells apart (with --only-data)."
        ),
    ] = "sprites",
    groups: Annotated[
        int | None,
        typer.Option(min=2, max=99, help="Groups of clips per class.", show_default="sprites: 8; crossing, order: 25"),
    ] = None,
    only_data: Annotated[
        bool, typer.Option("--only-data", help="Make the clips, their split lists and actors' boxes, and stop.")
    ] = False,
    workers: WorkersOption = None,
) -> None:
    """Run everything on generated clips: the stages, training, a table and a picture."""
    from mocrop.evaluation.demo.demo import make_data_set, print_demo, print_next, run_demo
    from mocrop.evaluation.demo.scenes import scene_settings
    from mocrop.pipeline.terminal import LineConsole

    console, settings = LineConsole(), scene_settings(scene, groups=groups)
    if only_data:
        print_next(console, make_data_set(folder, settings, console=console))
    else:
        print_demo(
            console, run_demo(folder, run=ClusterOptions(workers=workers).run(), console=console, scene=settings)
        )


def _workspace(option: Path | None) -> Workspace:
    from mocrop.pipeline.workspace.paths import Workspace, locate_workspace

    return Workspace(locate_workspace(option))


def _given(context: typer.Context) -> set[str]:
    """Names of the parameters that the command line gives."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def _explain(
    workspace: Workspace,
    command: str,
    options: dict[str, Any],
    *,
    of: tuple[Path | None, Path | None, str | None] = (None, None, None),
) -> None:
    """Print which clips a command would run on; ``of``: data set, lists and grouping, if it names any."""
    from mocrop.pipeline.commands.console import print_changes, print_plan
    from mocrop.pipeline.commands.explain import explain, require_scanned
    from mocrop.pipeline.terminal import LineConsole

    require_scanned(workspace, *of)
    said = functools.partial(print_changes, LineConsole())
    print_plan(LineConsole(), explain(workspace, command, options=options, on_changes=said))


def _finish(report: Report, as_json: bool) -> None:
    """Print a report, and exit with code 3 if any clip failed."""
    from mocrop.pipeline.commands.console import print_report

    _print_result(report, print_report, as_json)
    _exit_with_3_if_any_failed(report)


def _exit_with_3_if_any_failed(report: Report | ExportReport | Drawn) -> None:
    if report.failed:
        raise typer.Exit(EXIT_FAILED_CLIPS)


def _print_result(result: Any, print_text: Callable[[Any, Any], None], as_json: bool) -> None:
    """Print a result as JSON, or as text by a function of a console and the result."""
    from mocrop.pipeline.terminal import LineConsole

    if as_json:
        _print_json(result)
    else:
        print_text(LineConsole(), result)


def _print_json(result: Any) -> None:
    """Print JSON: names as they are, in letters of ASCII, which any encoding has."""
    from mocrop.pipeline.strict_json import json_text

    typer.echo(json_text(result, default=_for_json, indent=2))


def _say(*lines: str, whole: bool = False) -> None:
    """Print lines on standard output; on a terminal broken between words, unless ``whole``."""
    from mocrop.pipeline.terminal import LineConsole

    console = LineConsole()
    for line in lines:
        console.say(line, whole=whole)


def _stopped(interrupts: Interrupts | None) -> int:
    """Say that Ctrl-C has stopped the command."""
    if interrupts is None:
        from mocrop.pipeline.interrupts import STOPPED

        _say_to_people(STOPPED)
    else:
        interrupts.say()
    return EXIT_INTERRUPTED


def _say_to_people(*parts: Part) -> None:
    """Print a line on standard error."""
    from mocrop.pipeline.terminal import LineConsole

    LineConsole(stderr=True).say(*parts)


def _for_json(value: Any) -> Any:
    """Turn what JSON does not know into what it knows: dataclasses into dictionaries, the rest into text."""
    if dataclasses.is_dataclass(value):  # one level at a time: dataclasses.asdict breaks counters
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


if __name__ == "__main__":  # torchrun -m mocrop.cli
    main()
