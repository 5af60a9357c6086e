"""The rows on packages, FFmpeg and workers, with what is there and without."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import av
import pytest
from av.codec.codec import UnknownCodecError

from mocrop.pipeline.commands.doctor import ffmpeg, packages, workers
from mocrop.pipeline.commands.doctor.finding import Finding, State
from mocrop.pipeline.errors import ClusterError

REQUIRES = [
    "numpy>=2.0",
    "torch>=2.8",
    "old>=3.1.2",
    'scipy>=1.13; extra == "boxes"',
    'later>=1; extra == "unheard-of"',
    'pytest>=8; extra == "test"',
    'mocrop[boxes]; extra == "test"',
    'only-elsewhere>=1; sys_platform == "nowhere"',
]
THERE = {"numpy": "2.4.6", "torch": "2.8.0+cu130", "old": "3.1.1", "scipy": "1.13.0"}


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions that are there, to be changed."""
    there = dict(THERE)

    def version(name: str) -> str:
        if name not in there:
            raise PackageNotFoundError(name)
        return there[name]

    extras = SimpleNamespace(get_all=lambda key: ["boxes", "unheard-of", "test"] if key == "Provides-Extra" else None)
    monkeypatch.setattr(packages, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(packages, "metadata", lambda _: extras)
    monkeypatch.setattr(packages, "version", version)
    return there


def rows() -> dict[str, Finding]:
    return {each.name: each for each in packages.packages()}


def test_packages_are_compared_with_the_bounds_of_mocrop_itself(metadata: dict[str, str]) -> None:
    found = rows()
    assert found["packages"].fact == "numpy 2.4.6, torch 2.8.0+cu130"
    assert list(found) == ["packages", "package old", "extra boxes", "extra unheard-of"]
    assert found["package old"].fact == "3.1.1 is older than >=3.1.2; needed by every command"
    assert found["package old"].way_out == "pip install 'old>=3.1.2'"
    assert found["package old"].stops
    metadata["old"] = "3.1.2"
    assert "package old" not in rows()


def test_a_package_of_training_alone_keeps_no_stage_from_working(metadata: dict[str, str]) -> None:
    del metadata["torch"]
    found = rows()["package torch"]
    assert (found.state, found.stops) == (State.MISSING, False)
    assert found.fact == "is not installed; needed by train, eval, ablate, flops and demo"


def test_an_extra_says_what_it_is_for_and_how_it_comes(metadata: dict[str, str]) -> None:
    found = rows()
    assert found["extra boxes"].state is State.OK
    assert found["extra unheard-of"].state is State.NOTE
    assert found["extra unheard-of"].way_out == "pip install 'mocrop[unheard-of]'"
    metadata["scipy"] = "1.12.0"  # too old
    found = rows()
    assert found["extra boxes"].fact == "no scipy, for coverage --boxes with a .mat file"


def test_the_packages_that_are_here_are_found() -> None:
    wanted = {each.name: each for each in packages.wanted_packages()}
    assert {"av", "numpy", "zarr", "scipy"} <= wanted.keys()
    assert "pytest" not in wanted
    assert wanted["av"].fits


def test_ffmpeg_is_tried_on_a_clip_whose_motion_is_known() -> None:
    found = {each.name: each for each in ffmpeg.ffmpeg()}
    assert list(found) == ["FFmpeg", "encoder libx264", "decoder h264", "motion vectors"]
    assert {each.state for each in found.values()} == {State.OK}
    assert ffmpeg.moved_by(ffmpeg.made_clip()) == {4}


def test_an_ffmpeg_without_x264_keeps_transcode_alone_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    real = av.codec.Codec

    def codec(name: str, mode: str = "r") -> object:
        if name == "libx264":
            raise UnknownCodecError(name)
        return real(name, mode)  # type: ignore[call-overload]

    def no_encoder() -> bytes:
        raise UnknownCodecError("libx264")

    monkeypatch.setattr(av.codec, "Codec", codec)
    monkeypatch.setattr(ffmpeg, "made_clip", no_encoder)
    found = {each.name: each for each in ffmpeg.ffmpeg()}
    assert found["encoder libx264"].state is State.MISSING
    assert "no mocrop transcode; --source original needs none" in found["encoder libx264"].fact
    assert found["motion vectors"].state is State.MISSING
    assert not any(each.stops for each in found.values())


def test_vectors_that_do_not_come_out_keep_mocrop_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "moved_by", lambda _: {0})
    (found,) = (each for each in ffmpeg.ffmpeg() if each.name == "motion vectors")
    assert found.stops
    assert found.fact == "a clip moves by 4 pixels a frame, and its vectors say [0]"


def test_without_pyav_there_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (found,) = ffmpeg.ffmpeg()
    assert (found.name, found.state, found.stops, found.way_out) == ("FFmpeg", State.MISSING, True, "pip install av")


def cluster(answer: object) -> object:
    def result(timeout: float) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextmanager
    def local(count: int, *, clip_seconds: float) -> Iterator[object]:
        if isinstance(answer, ClusterError):
            raise answer
        yield SimpleNamespace(submit=lambda _: SimpleNamespace(result=result))

    return local


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (os.getpid() + 1, State.OK),
        (os.getpid(), State.MISSING),
        (ClusterError("the worker processes do not start"), State.MISSING),
        (TimeoutError(), State.MISSING),
    ],
)
def test_a_worker_must_start_and_answer(answer: object, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "local_cluster", cluster(answer))
    (found,) = workers.workers()
    assert (found.state, found.stops) == (state, False)
    assert ("--workers 0" in found.way_out) == (state is State.MISSING)


def test_dask_starts_a_worker_here() -> None:
    (found,) = workers.workers()
    assert found.state is State.OK
