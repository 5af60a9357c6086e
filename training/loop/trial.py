"""Try a network as it will be trained, before a run has a folder: what it cannot do is then an error of one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from mocrop.pipeline.choices import Stream
from mocrop.pipeline.errors import SettingsError
from mocrop.training.data.features import head_inputs
from mocrop.training.model.backbones import Backbone, reason_of, require_logits
from mocrop.training.model.device import autocast, is_out_of_memory
from mocrop.training.model.motion_input import input_shape
from mocrop.training.recipe import DEFAULT_ARCH

MOST_FRAMES = 2  # of a trial: more show nothing new


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a network will be trained."""

    arch: str
    input: Stream
    size: int  # pixels
    frames: int  # of a batch, over which BatchNorm takes its statistics; at least 1; of a video network, clips
    classes: int
    device: torch.device
    precision: torch.dtype | None  # of mixed precision
    channels_last: bool
    several_processes: bool = False
    clip_frames: int | None = None  # frames of a clip, for a video network

    def noise(self, count: int) -> Tensor:
        """Random frames, fields or clips as the network takes them, on the device."""
        return _noise(input_shape(count, self.input, self.size, frames=self.clip_frames), self.device)


def require_trainable(model: nn.Module, trial: Trial) -> None:
    """Send a small batch of noise forward and backward through a network, which is afterwards as it was before.

    Args:
        model: on the device, in the memory format of the trial.
    Raises: SettingsError that names the option that must change.
    """
    error = _error_of(model, trial)
    if error is None:
        return
    if is_out_of_memory(error):
        raise SettingsError(
            f"--arch {trial.arch}: {trial.device} has not enough memory to train it on {_few(trial)}; free some of it, "
            "or pass another --arch"
        ) from error
    raise SettingsError(
        f"--arch {trial.arch} cannot be trained on {_few(trial)}: {reason_of(error)}; {_way_out(model, trial)}"
    ) from error


def require_features(backbone: Backbone, *, size: int) -> None:
    """Send a frame of noise through a network whose backbone will be frozen.

    Args:
        backbone: on the CPU.
        size: of the frame or field, pixels.
    Raises: SettingsError if its head is not linear, or not the last thing that it does.
    """
    shape = input_shape(1, backbone.input, size)
    pixels = _noise(shape, torch.device("cpu")).contiguous(memory_format=torch.channels_last)
    with _as_before(backbone.model, torch.device("cpu")):
        try:
            head_inputs(backbone, backbone.model.eval(), pixels)
        except SettingsError:
            raise
        except Exception as error:  # each network raises types of its own
            raise SettingsError(
                f"--arch {backbone.arch} cannot work on one frame of {size} px: {reason_of(error)}; pass another --arch"
            ) from error


def _way_out(model: nn.Module, trial: Trial) -> str:
    """What to do about a trial that has failed; leaves the network in another memory format."""
    for changed, options in _changes(trial):
        layout = torch.channels_last if changed.channels_last else torch.contiguous_format
        if _error_of(model.to(memory_format=layout), changed) is None:
            return options
    other = DEFAULT_ARCH[trial.input]
    return "pass another --arch" + (f", e.g. {other}" if trial.arch != other else " or a cache of larger frames")


def _changes(trial: Trial) -> Iterator[tuple[Trial, str]]:
    """Changes that may help, each with the options that make it."""
    if trial.frames < MOST_FRAMES:
        larger = "--batch-size or --segments" if trial.clip_frames is None else "--batch-size"
        yield replace(trial, frames=MOST_FRAMES), f"pass a larger {larger}"
    if trial.precision is not None:
        yield replace(trial, precision=None), "pass --amp off"
    if trial.channels_last:
        yield replace(trial, channels_last=False), "pass --no-channels-last"
    if trial.several_processes:
        yield replace(trial, several_processes=False), "train with one process, without torchrun"


def _few(trial: Trial) -> str:
    kind = "motion field" if trial.input == "motion" else "frame"
    if trial.clip_frames is not None:
        clips = "one clip" if trial.frames == 1 else "clips"
        return f"{clips} of {trial.clip_frames} {kind}s of {trial.size} px{' at a time' if trial.frames == 1 else ''}"
    return f"one {kind} of {trial.size} px at a time" if trial.frames == 1 else f"{kind}s of {trial.size} px"


def _error_of(model: nn.Module, trial: Trial) -> Exception | None:
    """What goes wrong in a trial; None if nothing does."""
    frames = min(trial.frames, MOST_FRAMES)
    with _as_before(model, trial.device):
        try:
            with autocast(trial.device, trial.precision):
                outputs = model.train()(trial.noise(frames))
                logits = require_logits(outputs, frames=frames, classes=trial.classes)
                loss = functional.cross_entropy(
                    logits.float(), torch.zeros(frames, dtype=torch.int64, device=trial.device)
                )
            loss.backward()  # type: ignore[no-untyped-call]
            if trial.several_processes:
                _require_gradients(model)
        except Exception as error:  # each network raises types of its own
            return error
    return None


def _require_gradients(model: nn.Module) -> None:
    """Raises: ValueError if a parameter has no gradient, for which several processes would wait forever."""
    idle = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    if idle:
        raise ValueError(f"its output does not depend on {len(idle)} of its parameters, e.g. {idle[0]}")


def _noise(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)


@contextmanager
def _as_before(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Restore buffers, modes, gradients and the state of PyTorch's random generators after the body."""
    undo: list[Callable[[], object]] = []
    for module in model.modules():
        undo.append(_restoring_mode(module))
        undo += [_restoring_buffer(module, name, buffer) for name, buffer in module.named_buffers(recurse=False)]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            model.zero_grad(set_to_none=True)
            for step in undo:
                step()


def _restoring_mode(module: nn.Module) -> Callable[[], object]:
    training = module.training
    return lambda: setattr(module, "training", training)


def _restoring_buffer(module: nn.Module, name: str, buffer: Tensor) -> Callable[[], object]:
    copy = buffer.clone()

    def restore() -> None:
        with torch.no_grad():
            setattr(module, name, buffer.copy_(copy))

    return restore
