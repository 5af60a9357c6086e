"""Options of `mocrop train`, and the settings that they amount to.

Options that other commands share are declared by name, before the others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mocrop.pipeline.choices import Stream
from mocrop.training.recipe import (
    DEFAULT_ARCH,
    SAME_PIXELS,
    Amp,
    Loss,
    OptimizerName,
    Pool,
    Recipe,
    Schedule,
    TrainSettings,
    clip_words,
    parse_clip,
    parse_shares,
    recipe_table,
)

if TYPE_CHECKING:
    from mocrop.pipeline.cache.named import MirrorChoice

_optimisation = partial(typer.Option, rich_help_panel="Optimisation")
_augmentation = partial(typer.Option, rich_help_panel="Clips and augmentation")
_machine = partial(typer.Option, rich_help_panel="Machine")

WeightsOption = Annotated[
    str | None,
    typer.Option(
        help="Weights to start from: imagenet, kinetics, none, lite0 (with the extra `weights`), or a file.",
        show_default="imagenet; kinetics for video/...",
    ),
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        help="Name of the crop cache, or its address, such as s3://bucket/name.zarr.", show_default="the only one"
    ),
]
FreezeOption = Annotated[
    bool,
    typer.Option(
        "--freeze-backbone", help="Train only the head, on features computed once; no augmentation of pixels."
    ),
]
EpochsOption = Annotated[
    int | None, _optimisation(metavar="N", help="Passes over the training clips.", show_default="100")
]
TrainBatchOption = Annotated[
    int | None, _optimisation("--batch-size", metavar="N", help="Clips per batch.", show_default="32")
]
LearningRateOption = Annotated[
    float | None,
    _optimisation("--lr", metavar="RATE", help="Peak learning rate.", show_default="0.001, modern: 0.0005"),
]
TrainDeviceOption = Annotated[str, _machine("--device", help="auto, cpu, cuda, cuda:1, ...")]


@dataclass(frozen=True, kw_only=True)
class MirrorOptions:
    """Where what is read of a cache at an address is kept."""

    mirror: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that keeps what is read of a cache at an address.",
            show_default="~/.cache/mocrop/mirror",
            readable=False,
        ),
    ] = None
    mirror_size: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="The most that this folder may hold, such as 200G.",
            show_default="what the disk has, but for 1G",
        ),
    ] = None

    @property
    def choice(self) -> MirrorChoice:
        """Where it is kept. Raises: SettingsError for what is no size."""
        from mocrop.pipeline.cache.mirror.place import parse_bytes
        from mocrop.pipeline.cache.named import MirrorChoice

        most = None if self.mirror_size is None else parse_bytes(self.mirror_size)
        return MirrorChoice(folder=self.mirror, most_bytes=most)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """All options of `mocrop train` about a run; None leaves a setting to the recipe."""

    arch: Annotated[
        str | None,
        typer.Option(
            help="resnet50, resnet152, mobilenet_v3_large, efficientnet_b1, swin_t, swin_b, timm/<name>; of clips: "
            "video/r3d_18, mc3_18, r2plus1d_18, s3d, mvit_v1_b, mvit_v2_s, swin3d_t, swin3d_s or swin3d_b.",
            show_default="resnet50; timm/resnet18 for motion fields",
        ),
    ] = None
    input: Annotated[
        Stream, typer.Option(help="What the network takes: the frames of the cache, or its motion fields.")
    ] = "frames"
    weights: WeightsOption = None
    recipe: Annotated[Recipe, typer.Option(help="Where the defaults of the options below come from.")] = "reference"
    cache: CacheOption = None
    split: Annotated[str, typer.Option(help="Split of the data set, by number or name.")] = "1"
    freeze_backbone: FreezeOption = False
    loss: Annotated[
        Loss | None,
        typer.Option(
            help="ce: one class out of all; bce: each class by itself.", show_default="bce for several labels, else ce"
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0
    name: Annotated[str | None, typer.Option(help="Name of the run.", show_default="<arch>-<cache>")] = None

    epochs: EpochsOption = None
    batch_size: TrainBatchOption = None
    accumulate: Annotated[
        int | None, _optimisation(metavar="N", help="Batches per update of the weights.", show_default="1")
    ] = None
    optimizer: Annotated[
        OptimizerName | None,
        _optimisation(help="One other than the recipe's brings its usual weight decay.", show_default="adamw"),
    ] = None
    learning_rate: LearningRateOption = None
    schedule: Annotated[
        Schedule | None, _optimisation(help="How the learning rate falls.", show_default="step, modern: cosine")
    ] = None
    learning_rate_steps: Annotated[
        Any,
        _optimisation(
            "--lr-steps",
            parser=parse_shares,
            metavar="SHARES",
            help="Divide the rate by 10 at these fractions of the epochs; not with cosine.",
            show_default="0.4,0.8",
        ),
    ] = None
    warmup_epochs: Annotated[
        float | None,
        _optimisation(metavar="EPOCHS", help="Linear warm-up of the rate.", show_default="0, modern: 5 of 100"),
    ] = None
    weight_decay: Annotated[
        float | None,
        _optimisation(metavar="DECAY", help="adamw: decoupled; adam, sgd: L2.", show_default="0.01, modern: 0.05"),
    ] = None
    decay_norms: Annotated[
        bool | None,
        _optimisation(
            "--decay-norms/--no-decay-norms", help="Decay norms and biases too.", show_default="on, modern: off"
        ),
    ] = None
    clip_grad: Annotated[
        float | None,
        _optimisation(metavar="NORM", help="Clip the gradient to this norm; 0: do not.", show_default="0, modern: 1"),
    ] = None
    label_smoothing: Annotated[
        float | None,
        _optimisation(metavar="SHARE", help="Target share spread over all classes.", show_default="0, modern: 0.1"),
    ] = None
    ema: Annotated[
        float | None,
        _optimisation(
            metavar="DECAY", help="Decay of a moving average of the weights; 0: none.", show_default="0, modern: 0.999"
        ),
    ] = None

    segments: Annotated[
        int | None,
        _augmentation(metavar="N", help="Random frames per clip and epoch.", show_default="3; 16 for video/..."),
    ] = None
    pool: Annotated[
        Pool,
        _augmentation(help="What the head takes of a clip's frames; mean-std: also how they vary. Frozen only."),
    ] = "mean"
    validation_segments: Annotated[
        int | None,
        _augmentation(
            metavar="N", help="Middle frames per held-out clip.", show_default="8; as --segments for video/..."
        ),
    ] = None
    validation_share: Annotated[
        float | None,
        _augmentation(
            metavar="SHARE",
            help="Share of the training groups held out to choose the best epoch, where no list gives clips for it.",
            show_default="0.1",
        ),
    ] = None
    augment: Annotated[
        bool | None,
        _augmentation(
            "--augment/--no-augment",
            help="Off: no flip, crop, jitter or erasing, unless its own option asks for it.",
            show_default="on, frozen: off",
        ),
    ] = None
    flip: Annotated[
        bool | None,
        _augmentation("--flip/--no-flip", help="Mirror half of the clips left to right.", show_default="on"),
    ] = None
    clip: Annotated[
        Any,
        _augmentation(
            parser=parse_clip,
            metavar="FRAMESxSTRIDE",
            help="In place of segments, neighbouring frames of one window, of a cache of `precrop --select dense`.",
            show_default="for video networks those that the cache stores",
        ),
    ] = None
    crop: Annotated[
        int | None,
        _augmentation(
            metavar="PX",
            help="Show the network a random square of this side of each stored frame; in testing the middle one.",
            show_default="the whole frame",
        ),
    ] = None
    crop_scales: Annotated[
        Any,
        _augmentation(
            parser=parse_shares,
            metavar="SHARES",
            help="Sides of the multi-scale crop, relative to --crop or the frame's; 1: none.",
            show_default="1,0.875,0.75,0.66",
        ),
    ] = None
    color_jitter: Annotated[
        float | None,
        _augmentation(metavar="STRENGTH", help="Of brightness, contrast and saturation; 0: none.", show_default="0.2"),
    ] = None
    random_erasing: Annotated[
        float | None,
        _augmentation(
            metavar="SHARE", help="Share of the clips in which a rectangle is blanked.", show_default="0, modern: 0.25"
        ),
    ] = None
    mixup: Annotated[
        float | None, _augmentation(metavar="ALPHA", help="Blend clips in pairs; 0: do not.", show_default="0.2")
    ] = None

    device: TrainDeviceOption = "auto"
    amp: Annotated[
        Amp,
        _machine(
            metavar="MODE",
            help="Mixed precision: auto, off, bf16 or fp16; auto: on a GPU only, bf16 where it has it.",
        ),
    ] = "auto"
    channels_last: Annotated[
        bool | None,
        _machine("--channels-last/--no-channels-last", help="Memory format.", show_default="on for convolutions"),
    ] = None
    compile: Annotated[bool, _machine("--compile", help="Compile the network; needs a C++ compiler.")] = False
    sync_batchnorm: Annotated[
        bool, _machine("--sync-batchnorm", help="Under torchrun: batch statistics over the clips of all GPUs.")
    ] = False
    save_every: Annotated[
        float, _machine(metavar="MINUTES", min=0, help="Save this often within an epoch too; 0: after each update.")
    ] = 10
    tensorboard: Annotated[
        bool | None,
        _machine("--tensorboard/--no-tensorboard", help="Write TensorBoard events.", show_default="if installed"),
    ] = None

    def settings(self) -> TrainSettings:
        """Settings of the run: those of the recipe, overridden by the options that are not None.

        Raises: SettingsError for a value that a setting cannot have.
        """
        from mocrop.pipeline.settings import settings_from

        self._refuse_segments_beside_clip()
        given = {field.name: getattr(self, field.name) for field in fields(TrainSettings)}
        given["arch"] = self.arch or DEFAULT_ARCH[self.input]
        augmented = not self.freeze_backbone if self.augment is None else self.augment
        table = {**recipe_table(self.recipe, given), **({} if augmented else SAME_PIXELS)}
        return settings_from(TrainSettings, table, given, where="mocrop train")

    def _refuse_segments_beside_clip(self) -> None:
        """Raises: SettingsError for both, also where the segments are as many as without the option."""
        from mocrop.pipeline.errors import SettingsError

        if self.clip is None:
            return
        for option in ("segments", "validation_segments"):
            if getattr(self, option) not in (None, self.clip[0]):
                raise SettingsError(
                    f"--{option.replace('_', '-')} {getattr(self, option)} is for single frames, and --clip asks for "
                    f"{clip_words(self.clip)}; leave one of them out"
                )
