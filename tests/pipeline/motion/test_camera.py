"""Camera motion from vectors made by hand, and from frames warped by a known motion and encoded.

Mean error over a picture of 320x240, pixels per frame, of what the tests below encode (median, worst frame):

===================================  ==============  ==============
frame, object on a fifth of it       H.264           MPEG-4 Part 2
===================================  ==============  ==============
real, none                           0.03, 0.07      0.02, 0.11
real, moving on its own              0.03, 0.07      0.03, 0.11
made of noise, none                  0.01, 0.04      0.03, 0.22
made of noise, moving on its own     0.02, 0.06      0.04, 0.21
===================================  ==============  ==============

What is not promised: an object on a third of the picture or more may be taken for the background, and flat areas, in
which encoders put zero vectors, may outvote a textured rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.motion.camera import MotionField, fit_camera
from mocrop.pipeline.motion.clip_motion import ClipMotion, FrameType
from mocrop.pipeline.motion.vectors import read_motion
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.open import open_container

MakeVideo = Callable[..., Path]
Affine = tuple[float, float, float, float, float, float]
Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 320, 240
OPTIONS = {"libx264": TranscodeSettings().x264_options, "mpeg4": {"b": "1M"}}  # by codec
STILL: Affine = (0, 0, 0, 0, 0, 0)


def turning(degrees: float) -> Affine:
    """Rotation about the centre, small enough that sine and angle are one."""
    angle = np.radians(degrees)
    return (0, 0, -angle, 0, angle, 0)


def zooming(percent: float) -> Affine:
    return (0, percent / 100, 0, 0, 0, percent / 100)


CAMERAS: dict[str, Affine] = {
    "still": STILL,
    "pan": (-8, 0, 0, 3, 0, 0),
    "fast pan": (15, 0, 0, 0, 0, 0),
    "zoom in": zooming(3),
    "zoom out": zooming(-2),
    "rotation": turning(2),
    "all at once": (2, 0.01, -0.01, -1, 0.01, 0.01),
}


def flow(camera: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    """u and v at picture coordinates x, y."""
    a = np.asarray(camera, np.float64)
    right, down = np.asarray(x) - WIDTH / 2, np.asarray(y) - HEIGHT / 2
    return a[0] + a[1] * right + a[2] * down, a[3] + a[4] * right + a[5] * down


def mean_error(camera: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Distance between two camera motions, pixels per frame, averaged over the picture."""
    y, x = np.mgrid[0:HEIGHT:9j, 0:WIDTH:9j]
    return float(np.hypot(*flow(np.subtract(camera, truth), x, y)).mean())


# vectors made by hand -------------------------------------------------------------------------------------------


def blocks() -> tuple[npt.NDArray[np.float32], ...]:
    """x and y of the 300 macroblocks of the picture."""
    y, x = np.mgrid[8:HEIGHT:16, 8:WIDTH:16]
    return x.ravel().astype(np.float32), y.ravel().astype(np.float32)


def fit(
    x: npt.ArrayLike, y: npt.ArrayLike, u: npt.ArrayLike, v: npt.ArrayLike, area: npt.ArrayLike = 256
) -> tuple[list[float], float]:
    """Camera and support of one frame."""
    columns = [np.array(column, np.float32).reshape(-1, 1) for column in np.broadcast_arrays(x, y, u, v, area)]
    names = ("x", "y", "u", "v", "area")
    field = MotionField(**dict(zip(names, columns, strict=True)), first_column=np.zeros(1, np.intp))
    camera, support = fit_camera(field, width=WIDTH, height=HEIGHT)
    assert camera.dtype == support.dtype == np.float32
    return camera[0].tolist(), float(support[0])


small = st.floats(-0.05, 0.05)
shift = st.floats(-30, 30)


@given(st.tuples(shift, small, small, shift, small, small))
def test_vectors_that_follow_a_camera_give_it_back(camera: Affine) -> None:
    x, y = blocks()
    found, support = fit(x, y, *flow(camera, x, y))
    assert mean_error(found, camera) < 0.01
    assert support == pytest.approx(1)


@given(st.integers(0, 2**32 - 1))
def test_a_fifth_of_the_picture_that_moves_on_its_own_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = blocks()
    u, v = flow(CAMERAS["all at once"], x, y)
    left, top, angle = rng.uniform(0, WIDTH - 144), rng.uniform(0, HEIGHT - 112), rng.uniform(0, 2 * np.pi)
    inside = (x >= left) & (x < left + 144) & (y >= top) & (y < top + 112)
    u, v = u + 6 * np.cos(angle) * inside, v + 6 * np.sin(angle) * inside
    found, support = fit(x, y, u, v)
    assert mean_error(found, CAMERAS["all at once"]) < 0.1
    assert support == pytest.approx(1 - inside.mean(), abs=0.02)


def test_noise_of_half_a_pixel_averages_out() -> None:
    x, y = blocks()
    u, v = flow(CAMERAS["pan"], x, y) + np.random.default_rng(0).uniform(-0.5, 0.5, (2, len(x)))
    assert mean_error(fit(x, y, u, v)[0], CAMERAS["pan"]) < 0.1


def test_area_decides_and_not_the_number_of_vectors() -> None:
    """Seven of fifteen rows in 140 blocks that stand still, an eighth of the picture in 600 small ones that move."""
    x, y = blocks()
    large = y < HEIGHT / 2
    rng = np.random.default_rng(0)
    fine_x, fine_y = rng.uniform(0, WIDTH, 600), rng.uniform(HEIGHT / 2, HEIGHT, 600)
    u = np.concatenate([np.zeros(large.sum()), np.full(600, 7)])
    area = np.concatenate([np.full(large.sum(), 256), np.full(600, 16)])
    camera, support = fit(np.append(x[large], fine_x), np.append(y[large], fine_y), u, 0 * u, area)
    assert mean_error(camera, STILL) < 0.05
    assert support == pytest.approx(7 / 15)


def test_intra_blocks_follow_nothing() -> None:
    x, y = blocks()
    kept = x < WIDTH / 2
    camera, support = fit(x[kept], y[kept], 3, -1)
    assert mean_error(camera, (3, 0, 0, -1, 0, 0)) < 0.01
    assert support == pytest.approx(0.5)


def test_two_vectors_for_each_block_are_no_more_support_than_one() -> None:
    """As B-frames have; in the second case one of the two goes another way in half of the blocks."""
    x, y = (np.tile(column, 2) for column in blocks())
    assert fit(x, y, 2, 0)[1] == pytest.approx(1)
    assert fit(x, y, np.where(np.arange(600) % 4 == 0, 40, 2), 0)[1] == pytest.approx(0.75)


def test_vectors_all_at_one_place_give_a_translation() -> None:
    area = np.full(40, 256 * 300 / 40)
    camera, _ = fit(np.full(40, 300), np.full(40, 200), 5, -2, area)
    np.testing.assert_allclose(camera, [5, 0, 0, -2, 0, 0], atol=0.05)


def test_few_vectors_give_a_translation() -> None:
    camera, support = fit([40, 280, 160], [40, 40, 200], [4, 4.5, 4.25], 0, 80 * 80)
    assert camera == pytest.approx([4.25, 0, 0, 0, 0, 0], abs=0.1)
    assert support == pytest.approx(0.25)


@pytest.mark.parametrize(("count", "affine"), [(5, False), (6, True)])
def test_six_vectors_are_enough_for_a_zoom_and_five_are_not(count: int, affine: bool) -> None:
    """A zoom of 1 %, and 100 pixels left and right of the middle, 80 above and below, and 60, 50 diagonally."""
    right, down = np.array([(-100, 0), (100, 0), (0, -80), (0, 80), (60, 50), (-60, -50)][:count]).T
    found, _ = fit(WIDTH / 2 + right, HEIGHT / 2 + down, right / 100, down / 100, 80 * 80)
    assert (mean_error(found, zooming(1)) < 0.05) is affine
    assert (max(abs(found[n]) for n in (1, 2, 4, 5)) < 1e-4) is not affine


@pytest.mark.parametrize(("share", "camera"), [(0.09, 0), (0.11, 3)])
def test_motion_that_less_than_a_tenth_of_the_picture_follows_is_not_the_camera_s(share: float, camera: float) -> None:
    x, y = blocks()
    inside = np.arange(300) < share * 300
    found, support = fit(x[inside], y[inside], 3, 0)
    assert found[0] == pytest.approx(camera, abs=0.01)
    assert support == pytest.approx(share if camera else 0)


@pytest.mark.parametrize("count", [0, 1])
def test_no_vector_or_one_gives_no_camera_motion(count: int) -> None:
    area = np.where(np.arange(300) < count, 256, 0)
    x, y = blocks()
    assert fit(x, y, 3, 3, area) == ([0] * 6, 0)


def test_vectors_that_do_not_agree_give_no_camera_motion() -> None:
    x, y = blocks()
    u, v = np.random.default_rng(0).uniform(-60, 60, (2, 300))
    assert fit(x, y, u, v) == ([0] * 6, 0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_the_fit_is_always_finite(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-32768, 32767, (2, 300))
    u, v = rng.choice([-8191.75, 0, 0.25, 8191.75], (2, 300))
    camera, support = fit(x, y, u, v, np.where(np.arange(300) < count, 256, 0))
    assert np.isfinite(camera).all()
    assert 0 <= support <= 1


def test_frames_do_not_influence_each_other() -> None:
    x, y = blocks()
    cameras = [CAMERAS[name] for name in ("pan", "zoom in", "still")]
    columns = {"x": [], "y": [], "u": [], "v": []}
    for camera in cameras:
        for name, values in zip(columns, (x, y, *flow(camera, x, y)), strict=True):
            columns[name].append(np.asarray(values, np.float32).reshape(20, 15))  # 15 columns of 20 lanes each
    field = MotionField(
        **{name: np.concatenate(parts, axis=1) for name, parts in columns.items()},
        area=np.full((20, 45), 256, np.float32),
        first_column=np.array([0, 15, 30]),
    )
    found, support = fit_camera(field, width=WIDTH, height=HEIGHT)
    assert all(mean_error(one, camera) < 0.01 for one, camera in zip(found, cameras, strict=True))
    assert support == pytest.approx(1)


# frames warped by a known motion --------------------------------------------------------------------------------


def sampled(picture: Picture, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bilinear samples at pixel centres x, y; the picture continues as its own mirror image."""
    height, width = picture.shape[:2]
    x, y = (np.abs((c + 0.5) % (2 * n) - n) for c, n in ((x, width), (y, height)))
    x, y = (np.clip(n - c - 0.5, 0, n - 1.001) for c, n in ((x, width), (y, height)))
    left, top = x.astype(int), y.astype(int)
    across, down = (x - left)[..., np.newaxis], (y - top)[..., np.newaxis]
    upper = (1 - across) * picture[top, left] + across * picture[top, left + 1]
    lower = (1 - across) * picture[top + 1, left] + across * picture[top + 1, left + 1]
    return (1 - down) * upper + down * lower


def filmed(picture: Picture, camera: Affine, count: int, *, sprite: Picture | None = None) -> list[Picture]:
    """Frames in which everything moves by ``camera`` from each to the next, but for a sprite that moves on its own."""
    a = camera
    step = np.array([[1 - a[1], -a[2], -a[0]], [-a[4], 1 - a[5], -a[3]], [0, 0, 1]])  # to where a pixel was before
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    place = np.stack([x - WIDTH / 2, y - HEIGHT / 2, np.ones_like(x)])
    frames = []
    for n in range(count):
        then = np.tensordot(np.linalg.matrix_power(step, n), place, 1)
        frame = sampled(picture, then[0] + picture.shape[1] / 2 - 0.5, then[1] + picture.shape[0] / 2 - 0.5)
        if sprite is not None:
            left, top = 40 + 5 * n, 60 - 2 * n
            frame[top : top + sprite.shape[0], left : left + sprite.shape[1]] = sprite
        frames.append(np.rint(frame).astype(np.uint8))
    return frames


def textured(seed: int) -> Picture:
    """Noise at three scales: texture everywhere, and none of it finer than 4 pixels."""
    rng = np.random.default_rng(seed)
    layers = [rng.uniform(0, 255, (-(-HEIGHT // n), -(-WIDTH // n), 3)).repeat(n, 0).repeat(n, 1) for n in (4, 8, 32)]
    return np.mean([layer[:HEIGHT, :WIDTH] for layer in layers], axis=0).astype(np.uint8)


@pytest.fixture(scope="module", params=["made", pytest.param("real", marks=pytest.mark.real)])
def pictures(request: pytest.FixtureRequest) -> tuple[Picture, Picture]:
    """A background and a picture to cut a sprite from: noise, or frames of two real clips."""
    if request.param == "made":
        return textured(0), textured(1)
    folder = request.getfixturevalue("real_clips") / "videos"
    found = []
    for name in ("BasketballDunk/v_BasketballDunk_g01_c01.avi", "HorseRace/v_HorseRace_g01_c01.avi"):
        with open_container(folder / name) as container:
            found.append(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    return found[0], found[1]


def encoded(make_video: MakeVideo, path: Path, frames: Sequence[Picture], **options: object) -> ClipMotion:
    """The motion of frames encoded as `mocrop transcode` does, or with other options."""
    defaults = {"codec": "libx264", "options": OPTIONS["libx264"]}
    return read_motion(make_video(path, frames=frames, **{**defaults, **options}), clip="made", log=ClipLog(0))


def errors(motion: ClipMotion, camera: Affine) -> npt.NDArray[np.float64]:
    """Error of every frame that is not a key frame."""
    return np.array([mean_error(found, camera) for found in motion.camera[motion.frame_type != FrameType.I]])


@pytest.mark.parametrize("codec", OPTIONS)
@pytest.mark.parametrize("name", CAMERAS)
def test_a_known_camera_is_found(
    make_video: MakeVideo, tmp_path: Path, pictures: tuple[Picture, Picture], name: str, codec: str
) -> None:
    frames = filmed(pictures[0], CAMERAS[name], 8)
    motion = encoded(make_video, tmp_path / "a.mp4", frames, codec=codec, options=OPTIONS[codec])
    assert np.median(errors(motion, CAMERAS[name])) < 0.15
    assert errors(motion, CAMERAS[name]).max() < 0.3
    assert motion.camera_support[1:].min() > 0.7


@pytest.mark.parametrize("codec", OPTIONS)
@pytest.mark.parametrize("name", CAMERAS)
def test_an_object_that_moves_on_its_own_does_not_move_the_camera(
    make_video: MakeVideo, tmp_path: Path, pictures: tuple[Picture, Picture], name: str, codec: str
) -> None:
    """A sprite of 19 % of the picture, five pixels right and two up a frame."""
    frames = filmed(pictures[0], CAMERAS[name], 8, sprite=pictures[1][40:160, 60:180])
    motion = encoded(make_video, tmp_path / "a.mp4", frames, codec=codec, options=OPTIONS[codec])
    assert np.median(errors(motion, CAMERAS[name])) < 0.15
    assert errors(motion, CAMERAS[name]).max() < 0.3
    assert 0.5 < np.median(motion.camera_support[1:]) < 0.9


def test_a_scene_cut_has_no_camera_motion(
    make_video: MakeVideo, tmp_path: Path, pictures: tuple[Picture, Picture]
) -> None:
    camera = (2, 0, 0, 0, 0, 0)
    frames = filmed(pictures[0], camera, 5) + filmed(pictures[1], camera, 5)
    motion = encoded(make_video, tmp_path / "a.mp4", frames)
    assert motion.frame_type.tolist() == [FrameType.I, *[FrameType.P] * 9]
    assert motion.camera[5].tolist() == [0] * 6
    assert motion.camera_support[5] == 0
    others = [1, 2, 3, 4, 6, 7, 8, 9]
    assert max(mean_error(motion.camera[n], camera) for n in others) < 0.2
    assert motion.camera_support[others].min() > 0.5


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_b_frames_do_not_change_the_speed(make_video: MakeVideo, tmp_path: Path, codec: str) -> None:
    """Two B-frames between references that are three frames apart."""
    camera = (3, 0, 0, -1, 0, 0)
    structure = {"bf": "2", "b": "2M", "x264-params": "bframes=2:b-adapt=0:b-pyramid=none:ref=1:threads=1"}
    motion = encoded(make_video, tmp_path / "a.mkv", filmed(textured(0), camera, 13), codec=codec, options=structure)
    assert {FrameType.P, FrameType.B} <= set(motion.frame_type.tolist())
    assert errors(motion, camera).max() < 0.1
