"""The contact sheet of a clip: which clip is found, which frames and boxes are drawn, and where."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mocrop.cli import main
from mocrop.evaluation.pictures import contact_sheet
from mocrop.evaluation.pictures.box_path import BoxPath, draw_path
from mocrop.evaluation.pictures.clip_boxes import ShowSettings
from mocrop.evaluation.pictures.clip_view import view_clip
from mocrop.evaluation.pictures.colours import STYLES
from mocrop.evaluation.pictures.contact_sheet import DPI, WIDTH_INCHES, draw_density
from mocrop.evaluation.pictures.drawing import (
    OWN_COLOUR,
    WARNING_COLOUR,
    draw_arrows,
    draw_bars,
    draw_boxes,
)
from mocrop.evaluation.pictures.motion_arrows import Arrows
from mocrop.evaluation.pictures.show import show_in_workspace
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import WHOLE_FRAME, CropBox
from mocrop.pipeline.errors import ClipError, CropBoxError, MocropError, SettingsError, WorkspaceError
from mocrop.pipeline.run.session import RunOptions
from mocrop.pipeline.video.orientation import Orientation
from mocrop.pipeline.workspace.paths import Workspace

MakeVideo = Callable[..., Path]
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """Seven clips that move, one whose pictures are all the same, one of a codec without vectors."""
    folder = tmp_path_factory.mktemp("show")
    for number in range(1, 7):
        make_video(folder / f"data/Run/v_Run_g{number:02d}_c01.avi", frames=26)
    make_video(folder / "data/Dig/v_Dig_g01_c02.avi", frames=30, key_interval=100)
    make_video(folder / "data/Dig/v_Dig_g02_c03.avi", frames=[np.full((48, 64, 3), 90, np.uint8)] * 8)
    make_video(folder / "data/Dig/v_Dig_g03_c04.avi", frames=8, codec="mjpeg", pix_fmt="yuvj420p")
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def image(file: Path) -> Image:
    return (matplotlib.image.imread(file)[..., :3] * 255).astype(np.uint8)


def has_colour(picture: Image, colour: str) -> bool:
    """Whether at least ten pixels have exactly this colour."""
    wanted = np.rint(np.array(to_rgb(colour)) * 255)
    return int((np.abs(picture.astype(int) - wanted).max(axis=-1) <= 2).sum()) >= 10


def drawn(draw: Callable[[object], None], *, size: tuple[int, int] = (100, 80)) -> Image:
    """What a function draws on a white picture with one pixel per pixel of the clip."""
    figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set(xlim=(0, size[0]), ylim=(size[1], 0))
    draw(axis)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def box(left: float, top: float, right: float, bottom: float) -> CropBox:
    return CropBox(left=left, top=top, right=right, bottom=bottom)


def test_sheet_is_a_png_in_the_reports_with_a_box_of_each_policy(workspace: Workspace) -> None:
    file = show_in_workspace(workspace, "Run/v_Run_g02_c01")
    assert file == workspace.reports / "show/Run__v_Run_g02_c01.png"
    picture = image(file)
    assert picture.shape[1] == WIDTH_INCHES * DPI
    assert picture.shape[0] > picture.shape[1] / 3
    assert all(has_colour(picture, STYLES[name].colour) for name in ("center", "random", "motion", "adaptive"))
    assert has_colour(picture, OWN_COLOUR)
    assert list(file.parent.glob(".*")) == []


def test_only_named_policies_are_drawn(workspace: Workspace, tmp_path: Path) -> None:
    picture = image(show_in_workspace(workspace, "g02_c01", policies=["center"], output=tmp_path / "sheet.png"))
    assert has_colour(picture, STYLES["center"].colour)
    assert not has_colour(picture, STYLES["adaptive"].colour)


def test_command_writes_where_it_is_told_and_says_so(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new/sheet.png"
    with pytest.raises(SystemExit) as end:
        main(["show", "g01_c02", "-o", str(file), "--policy", "full", "--frames", "2", "-w", str(workspace.root)])
    assert not end.value.code
    assert file.is_file()
    assert "sheet.png" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("clip", ["Dig/v_Dig_g01_c02", "v_Dig_g01_c02", "g01_c02", "c02", "Dig/v_Dig_g01_c02.avi"])
def test_clip_is_found_by_name_path_or_unique_ending(workspace: Workspace, clip: str) -> None:
    assert view_clip(workspace, clip, ShowSettings()).name == "Dig/v_Dig_g01_c02"


def test_ambiguous_ending_lists_five_clips(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="6 clips end in 'c01'") as caught:
        view_clip(workspace, "c01", ShowSettings())
    assert str(caught.value).count("Run/v_Run_") == 5
    assert str(caught.value).endswith(", ...")


def test_unknown_name_lists_what_contains_it_or_is_alike(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"nearest are Run/v_Run_g03_c01$"):
        view_clip(workspace, "run_G03", ShowSettings())
    with pytest.raises(SettingsError, match="no clip is called 'v_Digg_g01_c02'") as caught:
        view_clip(workspace, "v_Digg_g01_c02", ShowSettings())
    assert "Dig/v_Dig_g01_c02" in str(caught.value)
    assert str(caught.value).count("/v_") == 5
    with pytest.raises(SettingsError, match="no clip is called ''"):
        view_clip(workspace, "", ShowSettings())


def test_unknown_policy_wrong_ratio_and_missing_workspace_are_errors(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no policy 'best'"):
        show_in_workspace(workspace, "c02", policies=["best"])
    with pytest.raises(SettingsError, match="ratio must be"):
        show_in_workspace(workspace, "c02", ratio=0)
    with pytest.raises(SettingsError, match="frames must be"):
        show_in_workspace(workspace, "c02", frames=0)
    with pytest.raises(WorkspaceError, match="no mocrop workspace"):
        show_in_workspace(Workspace(tmp_path), "c02")


def test_policy_without_a_box_of_the_ratio_is_left_out_unless_it_is_named(workspace: Workspace) -> None:
    shown = view_clip(workspace, "c02", ShowSettings(ratio=0.01)).results
    assert {"full", "center", "adaptive"} <= shown.keys()
    assert not {"random", "motion", "motion-v2"} & shown.keys()
    with pytest.raises(CropBoxError, match="no box of 6x8 cells"):
        view_clip(workspace, "c02", ShowSettings(ratio=0.01, policies=("motion",)))


@pytest.mark.parametrize("clip", ["g02_c03", "g03_c04"])
def test_clip_without_motion_gets_a_sheet_that_says_so(workspace: Workspace, clip: str, tmp_path: Path) -> None:
    view = view_clip(workspace, clip, ShowSettings())
    assert {"full", "center", "random"} <= view.results.keys()
    assert not {"motion", "motion-v2", "adaptive", "follow"} & view.results.keys()
    picture = image(show_in_workspace(workspace, clip, output=tmp_path / "sheet.png"))
    assert has_colour(picture, STYLES["center"].colour)
    assert not has_colour(picture, STYLES["motion"].colour)
    assert has_colour(picture, WARNING_COLOUR)


def test_reason_for_no_motion_is_the_one_that_extraction_gave(workspace: Workspace) -> None:
    assert "mjpeg" in view_clip(workspace, "g03_c04", ShowSettings()).no_motion
    assert view_clip(workspace, "g01_c02", ShowSettings()).no_motion == ""


def test_missing_transcoded_file_names_the_way_out(make_video: MakeVideo, tmp_path: Path) -> None:
    make_video(tmp_path / "data/Run/a.avi", frames=4)
    preprocess.init(Workspace(tmp_path / "work"), tmp_path / "data")
    with pytest.raises(ClipError, match="mocrop transcode"):
        show_in_workspace(Workspace(tmp_path / "work"), "a")


def test_key_frames_are_shown_and_where_there_are_few_others_between(workspace: Workspace) -> None:
    def shown(clip: str, frames: int) -> list[int]:
        return list(view_clip(workspace, clip, ShowSettings(frames=frames)).shown)

    assert view_clip(workspace, "g01_c01", ShowSettings()).timeline.key_frames.tolist() == [0, 12, 24]
    assert [shown("g01_c01", frames) for frames in (1, 3, 4)] == [[12], [0, 12, 24], [0, 6, 12, 24]]
    assert shown("g01_c02", 3) == [0, 10, 20]
    assert shown("g02_c03", 99) == list(range(8))


def test_p_frame_after_a_key_frame_is_the_next_one(workspace: Workspace) -> None:
    view = view_clip(workspace, "g01_c01", ShowSettings())
    assert [view.following_p_frame(number) for number in (0, 10, 11, 12, 25)] == [1, 11, None, 13, None]


def test_frames_are_those_of_the_numbers(workspace: Workspace) -> None:
    view = view_clip(workspace, "g01_c01", ShowSettings())
    pictures = dict(view.pictures([3, 20]))
    for number, picture in pictures.items():
        assert picture.shape == (48, 64, 3)
        bright = np.flatnonzero(picture[18:30].mean(axis=(0, 2)) > 110)
        assert abs(int(bright[0]) - number * 2 % 48) <= 1  # the square moves two pixels a frame


def test_frames_are_shown_upright_whatever_their_colours(
    make_oriented: MakeVideo, make_cropped: MakeVideo, tmp_path: Path
) -> None:
    """Stored transposed, in a matrix that FFmpeg cannot convert; bright at the top left."""
    seen = np.zeros((64, 48, 3), np.uint8)
    seen[:32, :24] = 200
    how = {"frames": [seen] * 3, "orientation": Orientation(transposed=True), "said_by": "stream"}
    path = make_oriented(tmp_path / "a.mp4", **how)
    (tmp_path / "data/Run").mkdir(parents=True)
    odd = make_cropped(path, tmp_path / "a.h264", matrix_coefficients=8)
    with av.open(odd) as source, av.open(tmp_path / "data/Run/a.mkv", "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.pts = packet.dts = number
                packet.time_base, packet.stream = Fraction(1, 25), stream
                output.mux(packet)
    made = Workspace(tmp_path / "work")
    preprocess.init(made, tmp_path / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    view = view_clip(made, "a", ShowSettings())
    assert view.picture == (48, 64)
    for _, picture in view.pictures([0, 2]):
        assert np.abs(picture.mean(axis=2) - seen.mean(axis=2)).mean() < 10


def test_box_is_outlined_where_it_is() -> None:
    colour = np.rint(np.array(to_rgb(STYLES["follow"].colour)) * 255)
    picture = drawn(lambda axis: draw_boxes(axis, {"follow": box(0.25, 0.25, 0.75, 0.75)}, (100, 80)))
    for x, y in ((25, 40), (75, 40), (50, 20), (50, 60)):
        assert np.abs(picture[y - 1 : y + 1, x - 1 : x + 1].astype(int) - colour).max() <= 3
    assert (picture[25:55, 30:70] == 255).all()
    assert (picture[:15] == 255).all()


def test_boxes_that_coincide_are_both_visible() -> None:
    same = {"center": box(0.25, 0.25, 0.75, 0.75), "adaptive": box(0.25, 0.25, 0.75, 0.75)}
    picture = drawn(lambda axis: draw_boxes(axis, same, (100, 80)))
    assert has_colour(picture, STYLES["center"].colour)
    assert has_colour(picture, STYLES["adaptive"].colour)


def test_a_path_goes_from_a_black_dot_through_white_ones_and_the_frame_now_is_in_colour() -> None:
    boxes = [box(0.1, 0.4, 0.3, 0.6), box(0.4, 0.4, 0.6, 0.6), box(0.7, 0.4, 0.9, 0.6)]
    path = BoxPath.of((0, 12, 24), boxes)

    def picture(now: int | None) -> Image:
        return drawn(lambda axis: draw_path(axis, path, (100, 80), colour="#e69f00", shown=(0, 12, 24), now=now))

    white, black, orange = (255, 255, 255), (0, 0, 0), (230, 159, 0)
    assert [tuple(picture(None)[40, x]) for x in (20, 35, 50, 65, 80)] == [black, orange, white, orange, white]
    assert [tuple(picture(12)[40, x]) for x in (20, 35, 50, 65, 80)] == [black, orange, orange, orange, white]
    assert (picture(12)[:33] == 255).all()
    assert (picture(12)[:, :14] == 255).all()
    assert (picture(None)[42, 30:40] < 200).all()  # the rim, which is seen on a picture as bright as the line


def test_a_path_of_one_frame_is_a_dot() -> None:
    path = BoxPath.of((5,), [box(0.4, 0.4, 0.6, 0.6)])
    picture = drawn(lambda axis: draw_path(axis, path, (100, 80), colour="#e69f00", shown=(5,), now=5))
    assert tuple(picture[40, 50]) == (230, 159, 0)
    assert (picture[:, :40] == 255).all()


def test_only_what_lies_outside_of_the_picture_is_hatched() -> None:
    picture = drawn(lambda axis: draw_bars(axis, box(0, 0.25, 1, 0.75), (100, 80)))
    assert (picture[:20] != 255).any()
    assert (picture[60:] != 255).any()
    assert (picture[21:59] == 255).all()
    assert (drawn(lambda axis: draw_bars(axis, WHOLE_FRAME, (100, 80))) == 255).all()


def test_arrow_lies_along_the_vector_with_its_head_at_the_end() -> None:
    one = Arrows(start=np.array([[20.0, 40.0]]), end=np.array([[80.0, 40.0]]), own=np.array([True]))
    inked = (drawn(lambda axis: draw_arrows(axis, one)) != 255).any(axis=2)
    across = np.flatnonzero(inked.any(axis=0))
    assert abs(across[0] - 20) <= 2
    assert abs(across[-1] - 80) <= 2
    assert inked[:, 76:80].sum() > inked[:, 20:24].sum()
    assert inked[36:44].sum() == inked.sum()


def one_clip(folder: Path, clip: Path) -> Workspace:
    """A workspace with one clip, whose file exists."""
    made = Workspace(folder / "work")
    preprocess.init(made, clip.parents[1])
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def test_name_with_dollars_is_drawn_into_a_folder(make_video: MakeVideo, tmp_path: Path) -> None:
    work = one_clip(tmp_path, make_video(tmp_path / "data/Run/$x_{$.mp4", frames=1, codec="libx264"))
    file = show_in_workspace(work, "$", policies=["motion"], output=tmp_path)
    assert file == tmp_path / "Run__$x_{$.png"
    assert image(file).any()


def test_many_frames_of_a_high_picture_stay_on_the_page(make_video: MakeVideo, tmp_path: Path) -> None:
    work = one_clip(tmp_path, make_video(tmp_path / "data/Run/a.avi", frames=30, size=(48, 128), key_interval=2))
    picture = image(show_in_workspace(work, "a", frames=15, output=tmp_path / "sheet.png"))
    assert picture.shape[1] == WIDTH_INCHES * DPI
    assert has_colour(picture, STYLES["adaptive"].colour)


def test_an_error_is_one_line(workspace: Workspace) -> None:
    with pytest.raises(MocropError) as caught:
        show_in_workspace(workspace, "nobody")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def barred(tmp_path_factory: pytest.TempPathFactory, make_video: MakeVideo) -> Workspace:
    """A clip of a bright square that moves over noise, with black bars of 16 pixels above and below."""
    folder, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    ground = rng.integers(60, 120, (96, 128, 3), dtype=np.uint8)
    frames = [ground.copy() for _ in range(26)]
    for number, frame in enumerate(frames):
        frame[40:56, 4 + 4 * number : 20 + 4 * number] = 230
        frame[:16] = frame[-16:] = 0
    make_video(folder / "data/Run/a.avi", frames=frames)
    made = Workspace(folder / "work")
    preprocess.init(made, folder / "data")
    preprocess.extract_mv(made, source="original", run=RunOptions(workers=0))
    return made


def test_the_box_that_moves_and_the_bars_are_on_the_sheet_of_a_clip_that_was_extracted(
    barred: Workspace, tmp_path: Path
) -> None:
    view = view_clip(barred, "a", ShowSettings(policies=("follow", "picture"), ratio=0.1, frames=3))
    assert view.inside_bars.edges == pytest.approx((0, 1 / 6, 1, 5 / 6), abs=0.03)
    assert view.boxes.at(view.shown[0])["picture"] == view.inside_bars
    first, last = (view.boxes.at(number)["follow"] for number in (view.shown[0], view.shown[-1]))
    assert first.right < last.left
    assert len(view.boxes.paths["follow"].numbers) == 26
    sheet = image(show_in_workspace(barred, "a", policies=["follow"], ratio=0.1, output=tmp_path / "a.png"))
    assert has_colour(sheet[: sheet.shape[0] // 4], STYLES["follow"].colour)  # the rest has legends


def test_each_frame_of_the_sheet_has_its_own_box_and_hatched_bars(
    barred: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_boxes: list[CropBox] = []
    hatched: list[CropBox] = []
    monkeypatch.setattr(contact_sheet, "draw_bars", lambda _axis, inside, _size: hatched.append(inside))
    monkeypatch.setattr(contact_sheet, "draw_boxes", lambda _axis, boxes, _size: drawn_boxes.append(boxes["follow"]))
    view = view_clip(barred, "a", ShowSettings(policies=("follow",), ratio=0.1, frames=3))
    contact_sheet.draw_contact_sheet(view, tmp_path / "a.png")
    assert drawn_boxes == [view.boxes.at(number)["follow"] for number in (0, 12, 24)]
    assert len(set(drawn_boxes)) == 3
    assert hatched == [view.inside_bars] * 3


def test_the_density_spans_what_is_left_of_the_frame(barred: Workspace) -> None:
    axis = Figure().subplots()
    view = view_clip(barred, "a", ShowSettings(policies=("adaptive",), bars="cut"))
    draw_density(axis, "adaptive", view, np.zeros((96, 128, 3), np.uint8))
    left, right, bottom, top = axis.images[-1].get_extent()
    assert (left, right) == (0, 128)
    assert (top, bottom) == pytest.approx((16, 80), abs=3)
    keep = view_clip(barred, "a", ShowSettings(policies=("adaptive",)))
    draw_density(axis, "adaptive", keep, np.zeros((96, 128, 3), np.uint8))
    assert axis.images[-1].get_extent() == [0, 128, 96, 0]


def test_the_video_draws_the_box_of_each_frame(barred: Workspace, tmp_path: Path) -> None:
    file = show_in_workspace(barred, "a", policies=["follow"], ratio=0.1, video=True, output=tmp_path / "a.mp4")
    view = view_clip(barred, "a", ShowSettings(policies=("follow",), ratio=0.1, every_frame=True))
    orange = np.rint(np.array(to_rgb(STYLES["follow"].colour)) * 255)
    with av.open(f"file:{file}") as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 26
    for number in (1, 13, 25):
        left, top, right, bottom = view.boxes.at(number)["follow"].pixels(640, 480)
        for x, y in ((left, (top + bottom) // 2 + 20), (right, (top + bottom) // 2 + 20), (left + 30, top)):
            assert np.abs(pictures[number][y, min(x, 637)] - orange).max() < 60
