"""Export a checkpoint: write the file, run it on random frames, and give it its name if it answers as the network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mocrop.evaluation.model_export.classifier import ClipClassifier, expected_answers, random_frames
from mocrop.evaluation.model_export.forms import FORMS, Form, Run
from mocrop.evaluation.model_export.metadata import metadata_of
from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import CheckpointError, MocropError, SettingsError
from mocrop.pipeline.files import whole_file
from mocrop.training.model.activation import activation_of
from mocrop.training.model.backbones import Backbone, reason_of
from mocrop.training.model.checkpoint import load_checkpoint, restore_backbone
from mocrop.training.model.motion_input import CHANNELS
from mocrop.training.model.video import is_video
from mocrop.training.recipe import VIDEO_FRAMES, Activation, Clip, FormName

_WAY_OUT = "pass --activation softmax if each had one, else --activation sigmoid"
TOLERANCE = 1e-4  # of probabilities; of logits as a share of the largest, where that is above 1
TOLERANCE_OF_SPREAD = 1e-3  # of logits, as a share of how far they differ from clip to clip
ROUNDING = 1e-5  # of logits, as a share of the largest: float32 in another order
EXAMPLE = (2, 3)  # clips and frames of the batch that torch follows through the network
CHECKED = ((1, 4), (3, 1), (3, 4))  # clips and frames of the batches that the file is run on; a video network has its
CHECKED_CLIPS = (1, 3)  # own number of frames
INPUT_NAMES: Mapping[Stream, str] = {"frames": "frames", "motion": "fields"}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far answers are from those that are expected, at most."""

    probability: float
    logit: float
    largest_logit: float  # of those expected, without its sign
    spread: float  # of those expected of one class, from clip to clip

    @property
    def is_small(self) -> bool:
        """Whether both are within the tolerance; a NaN is not.

        A network that has learned little answers alike whatever it sees, also where what it sees is wrong: there, the
        spread of its answers counts.
        """
        seen = TOLERANCE_OF_SPREAD * self.spread + ROUNDING * self.largest_logit
        most = min(seen, TOLERANCE * max(1.0, self.largest_logit))
        return self.probability <= TOLERANCE and self.logit <= most


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A file that has been written and checked."""

    file: Path
    form: FormName
    checkpoint: Path
    arch: str
    classes: int
    activation: Activation
    input: Stream
    size: int  # pixels; side of a frame or field
    frames: int | None  # of a clip that the network was validated on; None: unknown
    video: bool  # whether it takes clips of that many frames alone
    clip: Clip | None  # neighbouring frames that it was trained on; None: single frames of a clip
    crop: int | None  # side of the square of what is stored that it sees, pixels; None: all of it
    difference: Difference

    @property
    def input_name(self) -> str:
        return INPUT_NAMES[self.input]

    @property
    def dtype(self) -> str:
        return "uint8" if self.input == "frames" else "int8"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return CHANNELS[self.input], self.size, self.size

    @property
    def program(self) -> str:
        """Three lines of Python that run it."""
        shape = (1, self.frames or 8, *self.frame_shape)
        return FORMS[self.form].program.format(file=str(self.file), name=self.input_name, shape=shape, dtype=self.dtype)

    def to_json(self) -> dict[str, Any]:
        paths = {"file": str(self.file), "checkpoint": str(self.checkpoint)}
        return {**asdict(self), **paths, "dtype": self.dtype, "input_name": self.input_name}


def export_model(
    checkpoint: Path | str,
    file: Path | str | None = None,
    *,
    to: FormName = "onnx",
    activation: Activation | None = None,
) -> ExportedModel:
    """Write a trained network as a file that runs without mocrop.

    It takes frames as they are stored and any number of clips and frames, and gives the probabilities of each clip's
    classes and its logits, which are those of `mocrop eval` for these frames. The file is read back and run before it
    has its name: one that answers otherwise than the network is never left behind.

    Args:
        checkpoint: best.pt or last.pt of a run.
        file: to write; None: beside the checkpoint, with the suffix of the form.
        activation: None: the one that belongs to the loss that the network was trained with.
    Raises: CheckpointError for a checkpoint that cannot be read, that torch cannot export, or whose file answers
        otherwise; SettingsError for a file of another suffix; MocropError where libraries are missing; DiskFullError.
    """
    form, source = FORMS[to], Path(checkpoint)
    target = source.with_suffix(form.suffix) if file is None else Path(file)
    if target.suffix != form.suffix:
        raise SettingsError(f"-o {target}: the name of a file of {form.title} ends in {form.suffix}; pass such a name")
    if os.path.realpath(target) == os.path.realpath(source):
        raise SettingsError(f"-o {target} would write over the checkpoint; name another file")
    form.require()
    loaded = load_checkpoint(source)
    activation = activation or activation_of(loaded, source=source, way_out=_WAY_OUT)
    frames = loaded.settings.get("validation_segments", VIDEO_FRAMES if is_video(loaded.arch) else None)
    backbone = restore_backbone(loaded, size=loaded.size, source=source, frames=frames)
    _require_room(backbone, form, source=source)
    metadata = metadata_of(loaded, activation, source=source)
    content = _written(ClipClassifier(backbone, activation), form, metadata, backbone, loaded.size)
    with whole_file(target) as stream:
        stream.write(content)
        stream.flush()
        difference = _read_back(Path(stream.name), form, backbone, activation, loaded.size)
        if not difference.is_small:
            raise CheckpointError(_differs(difference, target, form, source=source))
    return ExportedModel(
        file=target,
        form=to,
        checkpoint=source,
        arch=loaded.arch,
        classes=len(loaded.class_names),
        activation=activation,
        input=loaded.input,
        size=loaded.size,
        frames=frames,
        video=backbone.video,
        clip=loaded.clip,
        crop=loaded.crop,
        difference=difference,
    )


def compare(run: Run, backbone: Backbone, activation: Activation, *, size: int) -> Difference:
    """Run a file and a network on the same random frames, in batches of several shapes."""
    wanted, found = [], []
    for seed, (clips, frames) in enumerate(_batches(backbone)):
        batch = random_frames(backbone.input, clips, frames, size=size, seed=seed)
        wanted.append(torch.stack(expected_answers(backbone, activation, batch)))
        found.append(torch.stack(run(batch)))
        if found[-1].shape != wanted[-1].shape:
            return Difference(probability=float("nan"), logit=float("nan"), largest_logit=0.0, spread=0.0)
    expected = torch.cat(wanted, dim=1)  # probabilities and logits, of all clips
    probability, logit = (torch.cat(found, dim=1) - expected).abs().amax(dim=(1, 2)).tolist()
    logits = expected[1]
    spread = float((logits.amax(dim=0) - logits.amin(dim=0)).max())
    return Difference(probability=probability, logit=logit, largest_logit=float(logits.abs().max()), spread=spread)


def _batches(backbone: Backbone) -> Sequence[tuple[int, int]]:
    """Clips and frames of the batches that a file is run on."""
    if backbone.frames is None:
        return CHECKED
    return [(clips, backbone.frames) for clips in CHECKED_CLIPS]


def _written(module: ClipClassifier, form: Form, metadata: Mapping[str, str], backbone: Backbone, size: int) -> bytes:
    clips, frames = EXAMPLE
    frames = backbone.frames or frames
    example = random_frames(backbone.input, clips, frames, size=size, seed=len(CHECKED))
    try:
        return form.write(module, example, INPUT_NAMES[backbone.input], metadata)
    except MocropError:
        raise
    except Exception as error:  # exporters raise types of their own, and those of what they call
        raise CheckpointError(
            f"torch {torch.__version__} cannot write {backbone.arch} as {form.title} ({type(error).__name__}: "
            f"{reason_of(error)}); pass {_other_forms(form)}, or try a newer torch"
        ) from error


def _read_back(partial: Path, form: Form, backbone: Backbone, activation: Activation, size: int) -> Difference:
    try:
        return compare(form.load(partial, INPUT_NAMES[backbone.input]), backbone, activation, size=size)
    except OSError:
        raise
    except Exception as error:  # those of the library that runs it, as over a number of frames that it does not take
        raise CheckpointError(
            f"torch {torch.__version__} has written {backbone.arch} as {form.title} that cannot be run "
            f"({type(error).__name__}: {reason_of(error)}); pass {_other_forms(form)}, or try a newer torch"
        ) from error


def _other_forms(form: Form) -> str:
    return ", ".join(f"--to {name}" for name, each in FORMS.items() if each.title != form.title)


def _require_room(backbone: Backbone, form: Form, *, source: Path) -> None:
    held = sum(each.nbytes for each in backbone.model.state_dict().values())
    if form.most_bytes is not None and held > form.most_bytes:
        raise CheckpointError(
            f"{source} holds {held / 1e9:.1f} GB of weights, and a file of {form.title} ends at 2 GiB; pass --to "
            "torchscript"
        )


def _differs(difference: Difference, target: Path, form: Form, *, source: Path) -> str:
    return (
        f"{target} is not written: read back, the {form.title} file answers otherwise than the network of {source}, by "
        f"up to {difference.probability:.2g} in probability and {difference.logit:.2g} in logits, which are up to "
        f"{difference.largest_logit:.2g} and differ by {difference.spread:.2g} from clip to clip; pass "
        f"{_other_forms(form)}, or try a newer torch"
    )
