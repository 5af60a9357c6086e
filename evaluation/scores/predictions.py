"""Predictions of a network, clip by clip, and their file, an .npz.

===============  =========================  ========================================================
array            shape, dtype               meaning
===============  =========================  ========================================================
``logits``       (clips, classes) float32   mean over the frames of the clip; of a fusion, float64
``label``        (clips,) int64             index of the true class; of several the first
``labels``       (clips, classes) uint8     only of format 2: 1 for each class of a clip, which may have several
``group``        (clips,) int32             as in a crop cache, -1 where there is none
``clip``         (clips,) string            names, as in the array ``clip`` of a crop cache
``class_names``  (classes,) string          by output of the head
``about``        () string                  JSON: format, split and the fields of :class:`Origin`
===============  =========================  ========================================================

Plain numpy reads it: ``numpy.load(file, allow_pickle=False)``. The same predictions give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocrop.evaluation.scores.statistics import cluster_numbers
from mocrop.evaluation.views import Look, look_from
from mocrop.pipeline.errors import PredictionsError
from mocrop.pipeline.files import write_whole
from mocrop.pipeline.settings import unknown_settings
from mocrop.pipeline.strict_json import json_text, parsed_json
from mocrop.pipeline.versions import not_known, other_layout

FORMAT, SEVERAL_LABELS = 1, 2  # the latter is written where a clip may have several labels
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, MemoryError)  # of numpy and zipfile

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where predictions come from; equal origins give equal logits, but for rounding."""

    checkpoint: str  # file
    checkpoint_hash: str  # see file_hash
    arch: str
    epoch: int  # of the checkpoint
    trained_on: dict[str, Any]  # cache, see training.model.checkpoint.describe_cache
    cache: dict[str, Any]  # predicted on, described in the same way
    segments: int  # frames per clip, of all its windows
    seen_in_training: int = 0  # how many of the clips its training has seen, as far as is known
    look: Look | None = None  # what the network got of each clip; None: so many single, whole frames

    def __post_init__(self) -> None:
        if self.look == Look(frames=self.segments):
            object.__setattr__(self, "look", None)  # what an older mocrop knows too

    def plain(self) -> dict[str, Any]:
        """The fields as plain values; without the look if it is none."""
        return {name: value for name, value in asdict(self).items() if name != "look" or value is not None}


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Logits and labels of some clips by one network, one row a clip.

    Raises: ValueError if the parts do not fit together.
    """

    clips: tuple[str, ...]  # names, each once
    labels: IntArray  # (clips,); of several labels the first
    groups: npt.NDArray[np.int32]  # (clips,), -1 = none
    logits: npt.NDArray[np.floating]  # (clips, classes), float32; float64 of a fusion
    class_names: tuple[str, ...]
    split: str  # whose test list the clips are
    origin: Origin
    marks: npt.NDArray[np.uint8] | None = None  # (clips, classes), 1 for each class of a clip; None: it has one

    def __post_init__(self) -> None:
        clips, classes = len(self.clips), len(self.class_names)
        for name, shape in (("labels", (clips,)), ("groups", (clips,)), ("logits", (clips, classes))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape} instead of {shape}")
        if not clips or len(set(self.clips)) < clips:
            raise ValueError("there must be a clip, and no name twice")
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise ValueError(f"labels must be from 0 to {classes - 1}")
        if self.marks is not None:
            self._check_marks(self.marks)
        if not np.isfinite(self.logits).all():
            worst = int(np.isfinite(self.logits).all(axis=1).argmin())
            raise ValueError(f"logits of {self.clips[worst]} are no numbers")

    def _check_marks(self, marks: npt.NDArray[np.uint8]) -> None:
        if marks.shape != self.logits.shape:
            raise ValueError(f"marks have shape {marks.shape} instead of {self.logits.shape}")
        if marks.max() > 1 or not np.take_along_axis(marks, self.labels[:, None], axis=1).all():
            raise ValueError("marks must be 0 or 1, and 1 for the label of each clip")

    def __len__(self) -> int:
        return len(self.clips)

    def classes_of(self, row: int) -> str:
        """Names of the classes of a clip."""
        if self.marks is None:
            return self.class_names[int(self.labels[row])]
        return ", ".join(self.class_names[number] for number in np.flatnonzero(self.marks[row]).tolist())

    @property
    def grouped(self) -> bool:
        """Whether any clip belongs to a group."""
        return bool((self.groups >= 0).any())

    @property
    def clusters(self) -> IntArray:
        """(clips,) the same number for the clips of one group; a clip without a group has its own.

        Of several labels, clips of a group may have different ones first: a group is one across classes then.
        """
        labels = self.labels if self.marks is None else np.zeros_like(self.labels)
        return cluster_numbers(labels, self.groups, self.clips)

    def take(self, rows: npt.NDArray[np.integer]) -> Predictions:
        """The predictions in ``rows``, in that order."""
        return replace(
            self,
            clips=tuple(self.clips[row] for row in rows.tolist()),
            labels=self.labels[rows],
            groups=self.groups[rows],
            logits=self.logits[rows],
            marks=None if self.marks is None else self.marks[rows],
        )


def file_hash(file: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def write_predictions(predictions: Predictions, file: Path) -> None:
    """Write predictions to a file that appears only when it is whole."""
    several: dict[str, Any] = {} if predictions.marks is None else {"labels": predictions.marks.astype(np.uint8)}
    about = {"format": SEVERAL_LABELS if several else FORMAT, "split": predictions.split, **predictions.origin.plain()}
    content = io.BytesIO()
    np.savez(
        content,
        logits=predictions.logits,
        label=predictions.labels.astype(np.int64),
        **several,
        group=predictions.groups.astype(np.int32),
        clip=np.array(predictions.clips),
        class_names=np.array(predictions.class_names),
        about=np.array(json_text(about)),
    )
    write_whole(file, content.getvalue())


def read_predictions(file: Path) -> Predictions:
    """Read what :func:`write_predictions` has written; nothing is unpickled.

    Raises: PredictionsError if the file is missing, damaged or no file of predictions.
    """
    try:
        _require_stored(file)
        with np.load(file, allow_pickle=False) as arrays:
            about = parsed_json(str(arrays["about"]))
            written = about.pop("format")
            _require_format(written, file)
            split = about.pop("split")
            _require_known(about, file)
            if about.get("look") is not None:
                about["look"] = look_from(about["look"])
            return Predictions(
                clips=tuple(arrays["clip"].tolist()),
                labels=arrays["label"],
                groups=arrays["group"],
                logits=arrays["logits"],
                class_names=tuple(arrays["class_names"].tolist()),
                split=split,
                origin=Origin(**about),
                marks=arrays["labels"] if written == SEVERAL_LABELS else None,
            )
    except FileNotFoundError as error:
        raise PredictionsError(f"there are no predictions {file}; make them with `mocrop eval`") from error
    except (*_DAMAGE, zipfile.BadZipFile) as error:
        raise PredictionsError(
            f"{file} cannot be read as predictions ({error}); it is damaged or something else: run `mocrop eval` again"
        ) from error


def _require_stored(file: Path) -> None:
    """Raises: ValueError if a part is compressed: a few bytes could become any number."""
    with zipfile.ZipFile(file) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("it is compressed, as mocrop writes none")


def _require_format(found: object, file: Path) -> None:
    if found not in (FORMAT, SEVERAL_LABELS):
        subject = f"{file}: predictions of format"
        raise PredictionsError(other_layout(subject, found, reads=SEVERAL_LABELS, older="run `mocrop eval` again"))


def _require_known(about: Mapping[str, Any], file: Path) -> None:
    if unknown := unknown_settings(Origin, about):
        raise PredictionsError(not_known(str(file), repr(unknown[0])))


def require_one_label(predictions: Predictions) -> None:
    """Check that every clip has one label, so that an answer is right or wrong.

    Raises: PredictionsError.
    """
    if predictions.marks is not None:
        raise PredictionsError(
            f"{describe(predictions)}: a clip may have several labels, so no answer is right or wrong; "
            "measure_labels gives the mean average precision"
        )


def describe(predictions: Predictions) -> str:
    """A few words for messages: file of the checkpoint, cache and split."""
    origin = predictions.origin
    return f"{origin.checkpoint} on {origin.cache['name']}, split {predictions.split}"
