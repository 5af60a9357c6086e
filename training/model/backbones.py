"""Image classifiers by name: networks of torchvision and timm with a new head."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

import timm
import torch
import torchvision  # type: ignore[import-untyped]
from torch import Tensor, nn

from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import SettingsError, WeightsError
from mocrop.training.model.device import is_out_of_memory
from mocrop.training.model.motion_input import CHANNELS, MOTION_MEAN, MOTION_STD, take_motion
from mocrop.training.model.shipped_weights import SHIPPED, shipped_file, to_our_keys
from mocrop.training.model.weights import load_except_head, read_state_dict, torchvision_imagenet
from mocrop.training.recipe import DEFAULT_ARCH, Pool

TIMM = "timm/"  # prefix of architectures that come from timm
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
TORCHVISION_HEADS = {  # name of the layer whose outputs are the classes
    "resnet50": "fc",
    "resnet152": "fc",
    "mobilenet_v3_large": "classifier.3",
    "efficientnet_b1": "classifier.1",
    "swin_t": "head",
    "swin_b": "head",
}

Color = tuple[float, ...]  # one number for red, green and blue, or for x and y


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A network with the normalisation of its inputs that it expects.

    It turns float32 frames, (n, 3, size, size), or motion fields, (n, 2, side, side), into logits, (n, classes).
    """

    arch: str
    model: nn.Module
    head: tuple[str, ...]  # names of the layers whose outputs are the classes
    mean: Color = IMAGENET_MEAN  # of frames in [0, 1], or of motion fields in [-1, 1]
    std: Color = IMAGENET_STD
    input: Stream = "frames"
    pool: Pool = "mean"  # what the head takes of the frames of a clip, see mocrop.training.model.pooling


def build_backbone(arch: str, *, classes: int, size: int, weights: str = "none", input: Stream = "frames") -> Backbone:
    """Make a network with ``classes`` outputs.

    Args:
        arch: one of ``TORCHVISION_HEADS``, or ``timm/<name>``.
        classes: outputs of the head, which is always new.
        size: side of the frames or fields in pixels; most networks take any, some are made for one.
        weights: "imagenet" (torchvision's first published ones, as in the reference, or timm's default), "none", a name
            in ``SHIPPED`` (weights in a Python package), or a file with a state dict of the same architecture,
            whatever its head. All of them are for frames.
        input: what the network is to take.
    Raises: SettingsError for an unknown architecture, or one that cannot take the size or the input, which is tried;
        WeightsError if the weights are not available or do not fit.
    """
    require_known(arch)
    if arch.startswith(TIMM):
        backbone = _timm_backbone(arch, classes, size, imagenet=weights == "imagenet")
    else:
        backbone = Backbone(
            arch=arch,
            model=torchvision.models.get_model(arch, weights=None, num_classes=classes),
            head=(TORCHVISION_HEADS[arch],),
        )
        if weights == "imagenet":
            load_except_head(backbone.model, torchvision_imagenet(arch), head=backbone.head, source="ImageNet weights")
    if weights not in ("imagenet", "none"):
        file = shipped_file(weights, arch=arch) if weights in SHIPPED else Path(weights)
        state = to_our_keys(read_state_dict(file), arch=arch, source=weights)
        load_except_head(backbone.model, state, head=backbone.head, source=weights)
    if input == "motion":
        take_motion(backbone.model, arch=arch, pretrained=weights != "none")
        require_takes(backbone.model, arch=arch, size=size, classes=classes, input=input)
        backbone = replace(backbone, mean=MOTION_MEAN, std=MOTION_STD, input=input)
    return backbone


def clip_logits(model: nn.Module, frames: Tensor) -> Tensor:
    """Average the logits of each clip's frames: (clips, segments, 3, size, size) to (clips, classes)."""
    logits: Tensor = model(frames.flatten(0, 1))
    return logits.view(*frames.shape[:2], -1).mean(dim=1)


def require_known(arch: str) -> None:
    """Check the name of an architecture.

    Raises: SettingsError that lists those of torchvision, and those of timm with a similar name.
    """
    if arch in TORCHVISION_HEADS or (arch.startswith(TIMM) and timm.is_model(arch.removeprefix(TIMM))):
        return
    near = difflib.get_close_matches(arch.removeprefix(TIMM), timm.list_models(), n=3) if arch.startswith(TIMM) else []
    ways = [*TORCHVISION_HEADS, *(TIMM + name for name in near)]
    raise SettingsError(f"unknown --arch {arch!r}; pass one of: {', '.join(ways)}, or timm/<name>")


def require_takes(
    model: nn.Module, *, arch: str, size: int, classes: int | None = None, input: Stream = "frames"
) -> None:
    """Check that a network takes frames or fields of a size in evaluation, by sending one through it.

    Its mode stays as it is. Tensors that it keeps for later can be used in training: that is why gradients are off, and
    not all that PyTorch's inference mode leaves out.

    Args:
        classes: outputs that it must have; None: any.
    Raises: SettingsError if it does not.
    """
    training = model.training
    try:
        with torch.no_grad():
            outputs = model.eval()(torch.zeros(1, CHANNELS[input], size, size))
        if classes is not None:
            require_logits(outputs, frames=1, classes=classes)
    except Exception as error:  # each network raises types of its own
        raise SettingsError(_cannot_take(arch, size, error, input=input)) from error
    finally:
        model.train(training)


def require_logits(outputs: object, *, frames: int, classes: int) -> Tensor:
    """The outputs of a network, which must be one tensor with a number for each frame and class.

    Raises: ValueError if they are not.
    """
    if not isinstance(outputs, Tensor):
        raise ValueError(f"its output is a {type(outputs).__name__}, not one tensor of logits")
    if outputs.shape != (frames, classes):
        raise ValueError(f"its output has the shape {tuple(outputs.shape)}, not {(frames, classes)}")
    return outputs


def reason_of(error: BaseException) -> str:
    """First line of an error, for the middle of a sentence."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _cannot_take(arch: str, size: int, error: Exception, *, input: Stream = "frames") -> str:
    if is_out_of_memory(error):
        return f"--arch {arch}: there is not enough memory for it and one frame of {size} px; pass another --arch"
    if input == "motion":
        other = DEFAULT_ARCH["motion"]
        return f"--arch {arch} cannot take --input motion of {size} px: {reason_of(error)}; pass another, e.g. {other}"
    return f"--arch {arch} cannot work on frames of {size} px: {reason_of(error)}; pass another --arch or size"


def _timm_backbone(arch: str, classes: int, size: int, *, imagenet: bool) -> Backbone:
    name = arch.removeprefix(TIMM)
    facts = timm.get_pretrained_cfg(name, allow_unregistered=False)
    if facts is None or not facts.classifier:
        raise SettingsError(f"--arch {arch} is no classifier; pass one that is")
    img_size = size if facts.fixed_input_size else None  # None: the network takes any
    try:
        model = timm.create_model(name, num_classes=classes, img_size=img_size)
    except Exception as error:  # each network raises types of its own
        raise SettingsError(_cannot_take(arch, size, error)) from error
    require_takes(model, arch=arch, size=size, classes=classes)  # some are made for any and fail on the first frame
    if imagenet:
        try:
            model = timm.create_model(name, pretrained=True, num_classes=classes, img_size=img_size)
        except Exception as error:  # and so does each hub client
            raise WeightsError(_no_timm_weights(arch, error)) from error
    return Backbone(
        arch=arch,
        model=model.train(),
        head=(facts.classifier,) if isinstance(facts.classifier, str) else tuple(facts.classifier),
        mean=facts.mean,
        std=facts.std,
    )


def _no_timm_weights(arch: str, error: Exception) -> str:
    facts = timm.get_pretrained_cfg(arch.removeprefix(TIMM))
    file = f"; timm takes model.safetensors from {facts.hf_hub_id} on Hugging Face" if facts and facts.hf_hub_id else ""
    reason = str(error).strip().partition("\n")[0]
    shipped = "".join(f"--weights {name}, " for name, weights in SHIPPED.items() if weights.arch == arch)
    return (
        f"--arch {arch}: no pretrained weights ({type(error).__name__}: {reason}); pass --weights none, {shipped}or "
        f"--weights FILE with weights that you have{file}"
    )
