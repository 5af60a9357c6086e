"""Classifiers by name: networks of torchvision and timm for frames, and of torchvision for clips, with a new head."""

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
from mocrop.training.model.motion_input import MOTION_MEAN, MOTION_STD, input_shape, take_motion
from mocrop.training.model.shipped_weights import SHIPPED, shipped_file, to_our_keys
from mocrop.training.model.video import VIDEO_NETWORKS, is_video, kinetics_normalisation, require_clips, video_model
from mocrop.training.model.weights import load_except_head, read_state_dict, torchvision_weights
from mocrop.training.recipe import DEFAULT_ARCH, PRETRAINED, VIDEO, Pool

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

    It turns float32 frames, (n, 3, size, size), or motion fields, (n, 2, side, side), into logits, (n, classes); a
    video network turns clips of them, (n, 3, frames, size, size).
    """

    arch: str
    model: nn.Module
    head: tuple[str, ...]  # names of the layers whose outputs are the classes
    mean: Color = IMAGENET_MEAN  # of frames in [0, 1], or of motion fields in [-1, 1]
    std: Color = IMAGENET_STD
    input: Stream = "frames"
    pool: Pool = "mean"  # what the head takes of the frames of a clip, see mocrop.training.model.pooling
    video: bool = False  # whether it takes clips
    frames: int | None = None  # of the clips that it is to take; None: of a network of frames, or not known


def build_backbone(
    arch: str,
    *,
    classes: int,
    size: int,
    weights: str = "none",
    input: Stream = "frames",
    frames: int | None = None,
) -> Backbone:
    """Make a network with ``classes`` outputs.

    Args:
        arch: one of ``TORCHVISION_HEADS``, ``timm/<name>``, or one of ``VIDEO_NETWORKS``.
        classes: outputs of the head, which is always new.
        size: side of the frames or fields in pixels; most networks take any, some are made for one.
        weights: "imagenet" (torchvision's first published ones, as in the reference, or timm's default), "kinetics"
            (torchvision's first published ones of a video network), "none", a name in ``SHIPPED`` (weights in a Python
            package), or a file with a state dict of the same architecture, whatever its head. All of them are for
            frames.
        input: what the network is to take.
        frames: of the clips that a video network is to take; None: not known yet.
    Raises: SettingsError for an unknown architecture, or one that cannot take the size or the input, which is tried;
        WeightsError if the weights are not available or do not fit.
    """
    require_known(arch)
    _require_weights_of(arch, weights)
    if is_video(arch):
        require_clips(arch, size=size, frames=frames, input=input)
        backbone = _video_backbone(arch, classes, frames)
    elif arch.startswith(TIMM):
        backbone = _timm_backbone(arch, classes, size, imagenet=weights == "imagenet")
    else:
        backbone = Backbone(
            arch=arch,
            model=torchvision.models.get_model(arch, weights=None, num_classes=classes),
            head=(TORCHVISION_HEADS[arch],),
        )
    if weights in PRETRAINED and not arch.startswith(TIMM):
        state = torchvision_weights(arch)
        load_except_head(backbone.model, state, head=backbone.head, source=f"{PRETRAINED[weights]} weights")
    if weights not in (*PRETRAINED, "none"):
        file = shipped_file(weights, arch=arch) if weights in SHIPPED else Path(weights)
        state = to_our_keys(read_state_dict(file), arch=arch, source=weights)
        load_except_head(backbone.model, state, head=backbone.head, source=weights)
    if input == "motion":
        take_motion(backbone.model, arch=arch, pretrained=weights != "none")
        require_takes(backbone.model, arch=arch, size=size, classes=classes, input=input, frames=backbone.frames)
        backbone = replace(backbone, mean=MOTION_MEAN, std=MOTION_STD, input=input)
    return backbone


def clip_logits(model: nn.Module, frames: Tensor, *, video: bool = False) -> Tensor:
    """Logits of clips: (clips, frames, 3, size, size) to (clips, classes), or those of several views of each.

    This is where the two kinds differ: a frame network answers for each frame, and the logits of a clip are the mean
    over its frames and views; a video network takes (B, C, T, H, W), the frames of a view together, and the logits of a
    clip are the mean over its views.

    Args:
        frames: float32, (clips, frames, 3, size, size), or (clips, views, frames, 3, size, size); of motion fields, 2
            in place of 3; of features of frames, for their head, (clips, frames, width).
        video: the kind of the network.
    """
    answered = frames.ndim - 4 if video else max(2, frames.ndim - 3)  # leading dimensions of what it answers for
    inputs = frames.flatten(0, answered - 1)
    logits: Tensor = model(inputs.transpose(1, 2) if video else inputs)
    of_views = logits.view(*frames.shape[:answered], -1)
    return of_views.mean(dim=tuple(range(1, answered))) if answered > 1 else of_views


def require_known(arch: str) -> None:
    """Check the name of an architecture.

    Raises: SettingsError that lists those of torchvision, and those of timm with a similar name; or says that it is one
        of videos.
    """
    if (
        arch in TORCHVISION_HEADS
        or arch in VIDEO_NETWORKS
        or (arch.startswith(TIMM) and timm.is_model(arch.removeprefix(TIMM)))
    ):
        return
    if (video := f"{VIDEO}{arch}") in VIDEO_NETWORKS:
        raise SettingsError(f"unknown --arch {arch!r}; pass {video}, which takes the frames of a clip together")
    near = difflib.get_close_matches(arch.removeprefix(TIMM), timm.list_models(), n=3) if arch.startswith(TIMM) else []
    ways = [*TORCHVISION_HEADS, *(TIMM + name for name in near)] if not is_video(arch) else [*VIDEO_NETWORKS]
    raise SettingsError(f"unknown --arch {arch!r}; pass one of: {', '.join(ways)}, or timm/<name>")


def require_takes(
    model: nn.Module,
    *,
    arch: str,
    size: int,
    classes: int | None = None,
    input: Stream = "frames",
    frames: int | None = None,
) -> None:
    """Check that a network takes frames or fields of a size in evaluation, by sending one through it.

    Its mode stays as it is. Tensors that it keeps for later can be used in training: that is why gradients are off, and
    not all that PyTorch's inference mode leaves out.

    Args:
        classes: outputs that it must have; None: any.
        frames: of a clip, for a video network; None: for one of frames.
    Raises: SettingsError if it does not.
    """
    training = model.training
    try:
        with torch.no_grad():
            outputs = model.eval()(torch.zeros(input_shape(1, input, size, frames=frames)))
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


def _require_weights_of(arch: str, weights: str) -> None:
    """Raises: WeightsError for published weights of the other kind of network."""
    own = "kinetics" if is_video(arch) else "imagenet"
    if weights in PRETRAINED and weights != own:
        raise WeightsError(
            f"--weights {weights}: there are none of --arch {arch}; pass --weights {own}, none, or a file"
        )


def _video_backbone(arch: str, classes: int, frames: int | None) -> Backbone:
    mean, std = kinetics_normalisation(arch)
    return Backbone(
        arch=arch,
        model=video_model(arch, classes=classes),
        head=(VIDEO_NETWORKS[arch].head,),
        mean=mean,
        std=std,
        video=True,
        frames=frames,
    )


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
