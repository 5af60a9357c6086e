"""Settings of a training run, and recipes: named sets of defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from mocrop.pipeline.choices import Stream, require_choice
from mocrop.pipeline.limits import MAX_SEED, MAX_SIDE_PX, require_number, require_numbers, require_whole
from mocrop.pipeline.settings import added

Activation = Literal["softmax", "sigmoid"]
Amp = Literal["auto", "off", "bf16", "fp16"]
Clip = tuple[int, int]  # neighbouring frames, and how far they are apart in the video
FormName = Literal["onnx", "torchscript"]  # of a file of an exported network
Loss = Literal["ce", "bce"]
OptimizerName = Literal["adam", "adamw", "sgd"]
Pool = Literal["mean", "mean-std"]
Recipe = Literal["reference", "modern"]
Schedule = Literal["step", "cosine"]

MOST = 1e6  # of a learning rate, a weight decay, a norm, a parameter of a distribution
MOST_SHARES = 100  # in a list
PRETRAINED: Mapping[str, str] = MappingProxyType({"imagenet": "ImageNet", "kinetics": "Kinetics"})  # published weights
VIDEO_FRAMES = 16  # of a clip for a video network, where nothing else is asked for: as torchvision trained its own
VIDEO = "video/"  # prefix of architectures that take clips, see mocrop.training.model.video
MOST_FRAMES = 1 << 16  # of a clip
FRAMES_WITH_SPREAD = 2  # the least of a clip that have a standard deviation
DEFAULT_ARCH: Mapping[Stream, str] = MappingProxyType(
    {
        "frames": "resnet50",
        "motion": "timm/resnet18",  # fields hold less than frames
    }
)
SAME_PIXELS: Mapping[str, Any] = MappingProxyType(  # settings that leave pixels as they are
    {"flip": False, "crop_scales": (1.0,), "color_jitter": 0.0, "random_erasing": 0.0}
)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of one training run; the defaults are those of the reference implementation where it gives them.

    It gives none for the weight decay, the share of the training list that is held out and the strength of the colour
    jitter; those are ours.
    """

    arch: str = "resnet50"  # see mocrop.training.model.backbones
    input: Stream = "frames"  # of the network; motion: the motion fields of the cache
    weights: str = "imagenet"  # or "kinetics" (of video networks), "none", a name in shipped_weights.SHIPPED, or a file
    split: str = "1"  # name, or number from 1, which may be an int
    epochs: int = 100
    batch_size: int = 32  # clips, of all processes together
    accumulate: int = 1  # batches per update of the weights
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1e-3
    schedule: Schedule = "step"
    learning_rate_steps: tuple[float, ...] = (0.4, 0.8)  # divided by 10 at these fractions of the epochs
    warmup_epochs: float = 0.0  # in which the learning rate rises linearly from 0
    weight_decay: float = 0.01  # adamw: decoupled from the gradient; adam, sgd: added to it
    decay_norms: bool = True  # weight decay on norms, biases and position embeddings too
    clip_grad: float = 0.0  # largest norm of the gradient, over all parameters together; 0: no clipping
    label_smoothing: float = 0.0  # share of the target that is spread evenly over all classes
    ema: float = 0.0  # decay of the moving average of the weights per update; 0: none
    segments: int = 3  # random frames per clip and epoch; those that a video network sees at once
    validation_segments: int = 8  # middle frames per clip; the same
    validation_share: float = 0.1  # of the groups of each class in the training list; 0: train on all of it
    flip: bool = True  # mirror half of the clips left to right
    crop_scales: tuple[float, ...] = (
        1.0,
        0.875,
        0.75,
        0.66,
    )  # sides of the multi-scale crop, relative to `crop`
    color_jitter: float = 0.2  # brightness, contrast and saturation by a factor of 1 plus or minus this; 0: none
    random_erasing: float = 0.0  # probability that a rectangle of a clip is blanked
    mixup: float = 0.2  # alpha of the Beta distribution; 0: none
    freeze_backbone: bool = False  # train only the head, on features that are computed once
    seed: int = 0
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...
    amp: Amp = "auto"  # mixed precision; auto: on a CUDA device only, bfloat16 if it has it, else float16
    channels_last: bool | None = None  # memory format of the network; None: where it is convolutional
    compile: bool = False  # the network, by torch.compile
    sync_batchnorm: bool = False  # BatchNorm statistics over the clips of all processes, not of each alone
    pool: Pool = added("mean")  # of the features of a clip's frames, before the head; mean-std: and their spread
    loss: Loss | None = added(None)  # None: bce where a clip may have several labels, else ce
    clip: Clip | None = added(None)  # in place of segments; None: for video networks what the cache has windows of
    crop: int | None = added(None)  # side of the square of a stored frame that the network sees, px; None: all of it

    def __post_init__(self) -> None:
        object.__setattr__(self, "split", str(self.split))  # a number is taken as well
        self._check_numbers()
        if not self.crop_scales:
            raise ValueError("crop_scales must hold at least one value; 1.0 means no crop")
        if self.freeze_backbone and any(getattr(self, name) != value for name, value in SAME_PIXELS.items()):
            raise ValueError(
                "freeze_backbone computes the features of each frame once, so its pixels must stay the same: "
                "no flip, no multi-scale crop, no colour jitter, no random erasing"
            )
        self._check_video()
        choices = {"input": Stream, "optimizer": OptimizerName, "schedule": Schedule, "amp": Amp, "pool": Pool}
        for name, kind in choices.items():
            require_choice(name, getattr(self, name), kind)
        if self.loss is not None:
            require_choice("loss", self.loss, Loss)
        self._check_pool()
        self._check_clip()

    def _check_video(self) -> None:
        if not self.arch.startswith(VIDEO):
            return
        if self.pool != "mean":
            raise ValueError(
                f"pool {self.pool} is over the features of frames, and {self.arch} has features of a clip as a whole; "
                "leave --pool out"
            )
        if self.freeze_backbone:
            raise ValueError(
                "freeze_backbone computes the features of each frame once, so that any may stand for a clip, and "
                f"{self.arch} has features of a clip as a whole; leave --freeze-backbone out, or pass another --arch"
            )

    def _check_pool(self) -> None:
        if self.pool == "mean":
            return
        if not self.freeze_backbone:
            raise ValueError(f"pool {self.pool} is for a head alone; pass --freeze-backbone, or leave --pool out")
        if min(self.segments, self.validation_segments) < FRAMES_WITH_SPREAD:
            raise ValueError(
                f"pool {self.pool} needs {FRAMES_WITH_SPREAD} frames a clip, since one has no spread; pass larger "
                "--segments and --validation-segments"
            )

    def _check_clip(self) -> None:
        """Check the clip of neighbouring frames, and the crop."""
        if self.clip is not None:
            object.__setattr__(self, "clip", require_clip(self.clip))
        if self.crop is not None:
            require_whole("crop", self.crop, least=1, most=MAX_SIDE_PX)
        for name in ("clip", "crop"):
            if self.freeze_backbone and getattr(self, name) is not None:
                raise ValueError(
                    f"freeze_backbone computes the features of whole single frames, so there is no --{name}; leave it "
                    "out, or train without --freeze-backbone"
                )

    def _check_numbers(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "segments", "validation_segments"):
            require_whole(name, getattr(self, name), least=1)
        require_whole("seed", self.seed, most=MAX_SEED)
        for name in ("validation_share", "color_jitter", "label_smoothing", "ema"):
            require_number(name, getattr(self, name), least=0, below=1)
        for name in ("weight_decay", "clip_grad", "mixup"):
            require_number(name, getattr(self, name), least=0, most=MOST)
        require_number("random_erasing", self.random_erasing, least=0, most=1)
        require_number("learning_rate (--lr)", self.learning_rate, above=0, most=MOST)
        require_number("warmup_epochs", self.warmup_epochs, least=0, below=self.epochs)
        shares = {"crop_scales": self.crop_scales, "learning_rate_steps (--lr-steps)": self.learning_rate_steps}
        for name, values in shares.items():
            require_whole(f"the number of {name}", len(values), most=MOST_SHARES)
            require_numbers(name, values, above=0, most=1)


RECIPES: Mapping[Recipe, Mapping[str, Any]] = {  # where they differ from the defaults of TrainSettings
    "reference": {},
    "modern": {
        "learning_rate": 5e-4,
        "schedule": "cosine",
        "warmup_epochs": 5.0,
        "weight_decay": 0.05,
        "decay_norms": False,
        "clip_grad": 1.0,
        "label_smoothing": 0.1,
        "random_erasing": 0.25,
        "ema": 0.999,
    },
}
USUAL_WEIGHT_DECAY: Mapping[OptimizerName, float] = {"adam": 0.0, "adamw": 0.01, "sgd": 1e-4}


def recipe_table(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of a recipe where they differ from those of :class:`TrainSettings`.

    Some follow from options: warm-up is scaled with the number of epochs, an optimiser other than the recipe's brings
    its own usual weight decay, and a video network its weights and as many frames in testing as in training.

    Args:
        options: values that were asked for, by name of the setting; None: not asked for.

    >>> recipe_table("modern", {"epochs": 20})["warmup_epochs"]
    1.0
    >>> recipe_table("reference", {"optimizer": "adam"})
    {'weight_decay': 0.0}
    >>> recipe_table("reference", {"arch": "video/r3d_18", "segments": 8})["validation_segments"]
    8
    """
    table, plain = dict(RECIPES[recipe]), TrainSettings()
    if "warmup_epochs" in table and (epochs := options.get("epochs")):
        table["warmup_epochs"] *= epochs / table.get("epochs", plain.epochs)
    if (chosen := options.get("optimizer")) and chosen != table.get("optimizer", plain.optimizer):
        table["weight_decay"] = USUAL_WEIGHT_DECAY[chosen]
    if (options.get("arch") or plain.arch).startswith(VIDEO):
        frames = options.get("segments") or VIDEO_FRAMES
        table |= {"weights": "kinetics", "segments": frames, "validation_segments": frames}
    return table


def parse_shares(text: str) -> tuple[float, ...]:
    """Read numbers separated by commas.

    Raises: ValueError if a part is not a number.

    >>> parse_shares("1, .75")
    (1.0, 0.75)
    """
    return tuple(float(part) for part in text.split(",") if part.strip())


def require_clip(clip: Sequence[int]) -> Clip:
    """Check the frames of a clip and how far they are apart.

    Raises: ValueError unless both are whole numbers from 1 on: a stride of 0 would give one frame again and again, one
        below the frames backwards.
    """
    frames, stride = clip
    for name, value in {"frames of a clip": frames, "the stride of a clip": stride}.items():
        require_whole(name, value, least=1, most=MOST_FRAMES)
    return frames, stride


def parse_clip(text: str) -> Clip:
    """Read the frames of a clip and how far they are apart.

    Raises: ValueError if these are not two whole numbers from 1 on.

    >>> parse_clip("16x2")
    (16, 2)
    """
    frames, cross, stride = text.strip().lower().partition("x")
    if not (cross and frames.isdecimal() and stride.isdecimal() and int(frames) and int(stride)):
        raise ValueError(f"{text!r} is not FRAMESxSTRIDE, e.g. 16x2 for 16 frames of which each second is taken")
    return int(frames), int(stride)


def clip_words(clip: Clip) -> str:
    """A clip of neighbouring frames, in words.

    >>> clip_words((16, 2)), clip_words((8, 1))
    ('clips of 16 frames, 2 apart', 'clips of 8 frames, 1 apart')
    """
    return f"clips of {clip[0]} frames, {clip[1]} apart"
