"""The forms in which a network is exported: how each is written by torch, read back and run."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from mocrop.evaluation.model_export.classifier import ClipClassifier
from mocrop.pipeline.errors import MocropError
from mocrop.training.recipe import FormName

Run = Callable[[Tensor], tuple[Tensor, Tensor]]  # stored frames to probabilities and logits
NAMES = ("probabilities", "logits")  # of the outputs, in this order
ONNX_LIMIT = (1 << 31) - (1 << 24)  # bytes of weights: the file is one message of Protocol Buffers, which ends at 2 GiB
EXTRA = "pip install 'mocrop[onnx]'"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A kind of file.

    ``write`` makes the content of a file of a module, stored frames as an example of what it takes, the name of that
    input, and metadata; ``load`` reads a file back; ``require`` raises a MocropError if the machine cannot do both.
    """

    title: str
    suffix: str
    most_bytes: int | None  # of the weights; None: no limit
    require: Callable[[], None]
    write: Callable[[ClipClassifier, Tensor, str, Mapping[str, str]], bytes]
    load: Callable[[Path, str], Run]
    program: str  # lines of Python that run a file, with {file}, {name}, {shape} and {dtype} in them


def _require_onnx() -> None:
    try:
        import onnx
        import onnxruntime  # type: ignore[import-untyped]
        import onnxscript
    except ImportError as error:
        raise MocropError(
            f"--to onnx needs onnx, onnxscript and ONNX Runtime ({error}): {EXTRA}, or pass --to torchscript"
        ) from error
    del onnx, onnxruntime, onnxscript


def _write_onnx(module: ClipClassifier, example: Tensor, name: str, metadata: Mapping[str, str]) -> bytes:
    import onnx

    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    with _quietly(), torch.no_grad():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: batch} if module.video else {0: batch, 1: frames},),
            input_names=[name],
            output_names=list(NAMES),
            verbose=False,
        )
    assert program is not None, "without a file, torch returns the program"
    model = program.model_proto
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]  # lines of the program that made it, with the folders of this machine
    onnx.helper.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())


def _load_onnx(file: Path, name: str) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(frames: Tensor) -> tuple[Tensor, Tensor]:
        probabilities, logits = session.run(list(NAMES), {name: frames.numpy()})
        return torch.from_numpy(probabilities), torch.from_numpy(logits)

    return run


def _write_torchscript(module: ClipClassifier, example: Tensor, name: str, metadata: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with _quietly(), torch.no_grad():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            module,
            (example,),
            check_trace=False,  # the file is checked, with other shapes
        )
        torch.jit.save(traced, content, _extra_files=dict(metadata))
    return content.getvalue()


def _load_torchscript(file: Path, name: str) -> Run:
    with _quietly():
        loaded = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]

    def run(frames: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            probabilities, logits = loaded(frames)
        return probabilities, logits

    return run


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what exporters print and log, and what PyTorch says of parts of itself that will change."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMS: Mapping[FormName, Form] = MappingProxyType(
    {
        "onnx": Form(
            title="ONNX",
            suffix=".onnx",
            most_bytes=ONNX_LIMIT,
            require=_require_onnx,
            write=_write_onnx,
            load=_load_onnx,
            program=(
                "import numpy as np, onnxruntime\n"
                "session = onnxruntime.InferenceSession({file!r})\n"
                'probabilities, logits = session.run(None, {{"{name}": np.zeros({shape}, np.{dtype})}})'
            ),
        ),
        "torchscript": Form(
            title="TorchScript",
            suffix=".torchscript",
            most_bytes=None,
            require=lambda: None,
            write=_write_torchscript,
            load=_load_torchscript,
            program=(
                "import torch\n"
                "model = torch.jit.load({file!r})\n"
                "probabilities, logits = model(torch.zeros({shape}, dtype=torch.{dtype}))"
            ),
        ),
    }
)
