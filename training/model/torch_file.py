"""Read a file of ``torch.save`` or of safetensors: its checksums are compared, and no code in it is run."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from mocrop.training.model.file_kinds import COPY_AGAIN, UnreadableError, is_safetensors, is_zip, require_kind

# What programs save beside weights, and what needs none of their code to be passed over: numpy's numbers and arrays,
# options of a command line, paths. Their names are in the file; what has them is never called, see Skipped.
SKIPPED_NAMES = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "argparse.Namespace"),
    *(f"pathlib.{local}{kind}" for local in ("", "_local.") for kind in ("Path", "PosixPath", "WindowsPath")),
    *(f"pathlib.{local}Pure{kind}Path" for local in ("", "_local.") for kind in ("", "Posix", "Windows")),
)
SAVE_WEIGHTS = "save its weights alone, with the program that made it: torch.save(model.state_dict(), FILE)"
_REFUSED = re.compile(r"GLOBAL `?([\w.]+)`?")
_FOLDER = 0x10  # an attribute of MS-DOS; PyTorch reads nothing then, and takes what is in memory for the values
_NAMED_HASH = re.compile(r"-([0-9a-f]{8,64})\.")
_REASON = re.compile(r"WeightsUnpickler error: *([^\n]+)")
_ENDS_EARLY = re.compile("EOF|Ran out of input|truncated|end of file|incomplete|invalid ?header ?length", re.IGNORECASE)


class Skipped:
    """Stands for an object in a file that is not made: it takes whatever it is given, and keeps nothing."""

    def __new__(cls, *_: object, **__: object) -> Skipped:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file holds: tensors, plain values, and lists and dictionaries of them."""

    value: Any  # whatever the program saved
    skipped: str | None = None  # the first name of SKIPPED_NAMES for which there is a Skipped in it


def read_torch_file(file: Path) -> Content:
    """Read tensors and plain values onto the CPU, and pass over objects of ``SKIPPED_NAMES``.

    A zip archive, as ``torch.save`` writes, is refused where one of its checksums differs. Older files of
    ``torch.save`` and safetensors have none.

    Raises: FileNotFoundError; UnreadableError saying what is wrong with the file, or what else it is, and the way out.
    """
    with _opened(file) as stream:
        head, size = require_kind(file, stream)
        try:
            if is_safetensors(head):
                return Content(value=_load_safetensors(stream))
            if is_zip(head):
                require_checksums(stream)
            return _load(stream)
        except (UnreadableError, MemoryError):
            raise
        except OSError as error:
            raise UnreadableError(
                f"cannot be read ({error.strerror or error})", "try again, or copy it again"
            ) from error
        except Exception as error:  # torch, pickle and safetensors raise many types for a damaged or foreign file
            raise _in_words(error, size=size) from error


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file.is_dir():
        raise UnreadableError("is a folder", "name a file in it")
    if file.exists() and not file.is_file():
        raise UnreadableError("is no regular file", "write what it gives into one")
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"cannot be opened ({error.strerror or error})", "look at its permissions") from error
    with stream:
        yield stream


def has_named_hash(file: Path) -> bool:
    """Whether a file has the SHA-256 whose first digits are in its name, as the sites of PyTorch name files of weights.

    Raises: OSError.
    """
    digits = _NAMED_HASH.search(file.name)
    with file.open("rb") as stream:
        return digits is None or hashlib.file_digest(stream, "sha256").hexdigest().startswith(digits[1])


def require_checksums(stream: BinaryIO) -> None:
    """Compare all checksums of a zip archive, and the names before its parts with those at its end.

    Raises: UnreadableError naming the part that is damaged.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise UnreadableError("is compressed, which torch.save never does", "unpack it, and save it again")
            if folders := [part.filename for part in parts if part.external_attr & _FOLDER]:
                raise UnreadableError(f"is damaged: {folders[0]} in it is marked as a folder", COPY_AGAIN)
            if not any(part.CRC for part in parts):
                return  # PyTorch writes zeros where it was told to compute none
            wrong = archive.testzip()
    except (OSError, UnreadableError):
        raise
    except Exception as error:  # zipfile raises more than BadZipFile for bytes that mean something else
        raise UnreadableError(f"is damaged ({error})", COPY_AGAIN) from error
    if wrong is not None:
        raise UnreadableError(f"is damaged: the checksum of {wrong} in it differs", COPY_AGAIN)


def _load_safetensors(stream: BinaryIO) -> dict[str, torch.Tensor]:
    from safetensors.torch import load  # comes with timm

    return load(stream.read())


def _load(stream: BinaryIO) -> Content:
    def load() -> Any:
        stream.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of protocols of pickle, and of what PyTorch will change
            return torch.load(stream, map_location="cpu", weights_only=True)

    try:
        return Content(value=load())
    except pickle.UnpicklingError as error:
        refused = _REFUSED.search(str(error))
        if not refused or refused[1] not in SKIPPED_NAMES:
            raise
    with torch.serialization.safe_globals([(Skipped, name) for name in SKIPPED_NAMES]):
        return Content(value=load(), skipped=refused[1])


def _in_words(error: Exception, *, size: int) -> UnreadableError:
    said = str(error).strip()
    if refused := _REFUSED.search(said):
        return UnreadableError(f"cannot be read: it holds {refused[1]}, which would be run as code", SAVE_WEIGHTS)
    if _ENDS_EARLY.search(said) or isinstance(error, (EOFError, IndexError)):
        return UnreadableError(f"is cut off, or damaged: it ends too early, after {size:,} bytes", COPY_AGAIN)
    reason = found[1] if (found := _REASON.search(said)) else said.partition("\n")[0]
    return UnreadableError(f"cannot be read ({reason}): it is damaged, or no file of weights", COPY_AGAIN)


@contextlib.contextmanager
def checksums_written() -> Iterator[None]:
    """Have ``torch.save`` compute checksums, whatever the program that calls mocrop has told it."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(True)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)
