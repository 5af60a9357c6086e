import json
from pathlib import Path

import numpy as np
import pytest

from mocrop.pipeline.checksums import (
    BLOCK_BYTES,
    SealError,
    checksum,
    digest,
    file_checksum,
    json_checksum,
    require_seal,
    seal,
)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_the_checksum_of_a_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(0).bytes(size)
    (tmp_path / "x").write_bytes(content)
    assert file_checksum(tmp_path / "x") == checksum(content)


def test_the_checksum_of_an_array_is_that_of_its_bytes() -> None:
    values = np.arange(12, dtype="<i4").reshape(3, 4)
    assert checksum(values) == checksum(values.tobytes()) != checksum(values.T.copy())


def test_json_is_compared_by_value() -> None:
    assert json_checksum({"a": [1, 2.5], "b": None}) == json_checksum(json.loads('{ "b":null, "a":[1,2.5] }'))
    assert json_checksum({"a": 1}) != json_checksum({"a": 1.5})


def sealed_group(folder: Path) -> dict[str, object]:
    for name in ("x", "y"):
        (folder / name).mkdir(parents=True)
        (folder / name / "zarr.json").write_text(json.dumps({"shape": [3], "name": name}))
    return seal({"schema": 2, "classes": ["Archery"]}, folder, ["x", "y"])


def test_a_sealed_group_is_accepted_also_with_other_spaces(tmp_path: Path) -> None:
    attributes = sealed_group(tmp_path)
    (tmp_path / "x" / "zarr.json").write_text('{"name":  "x", "shape": [3]}')
    require_seal(json.loads(json.dumps(attributes)), tmp_path)
    assert seal(attributes, tmp_path, ["x", "y"]) == attributes  # sealing again changes nothing


@pytest.mark.parametrize(
    ("harm", "fact"),
    [
        (lambda folder, attributes: attributes.update(classes=["Brchery"]), "^zarr.json: checksum differs"),
        (lambda folder, attributes: attributes.pop("checksum"), "^zarr.json: checksum differs"),
        (lambda folder, attributes: attributes.pop("metadata"), "^zarr.json: checksum differs"),
        (lambda folder, _: (folder / "y/zarr.json").unlink(), "y/zarr.json is missing"),
        (lambda folder, _: (folder / "y/zarr.json").write_text("{"), "y/zarr.json is no JSON"),
        (lambda folder, _: (folder / "y/zarr.json").write_text('{"shape": [4], "name": "y"}'), "y/zarr.json: checksum"),
    ],
)
def test_changed_metadata_are_refused(tmp_path: Path, harm: object, fact: str) -> None:
    attributes = sealed_group(tmp_path)
    harm(tmp_path, attributes)  # type: ignore[operator]
    with pytest.raises(SealError, match=fact):
        require_seal(attributes, tmp_path)


@pytest.mark.parametrize("content", [(b"frame 1", b"frame 2"), (b"other 1", b"other 2")])
def test_parts_with_their_own_checksums_behind_them_have_one_checksum_and_digests_of_their_own(
    content: tuple[bytes, bytes],
) -> None:
    """Why files of a cache are compared by bytes or digests."""
    whole = b"".join(part + checksum(part).to_bytes(4, "little") for part in content)
    nothing = b"".join(bytes(7) + checksum(bytes(7)).to_bytes(4, "little") for _ in content)
    assert checksum(whole) == checksum(nothing)
    assert digest(whole) != digest(nothing)
    assert digest(b"a", b"bc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
