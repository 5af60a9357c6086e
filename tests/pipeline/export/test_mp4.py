"""The form mp4: decoding back gives the crops, at the times of the source, by boxes that move."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mocrop.pipeline.cache.crop_cache import CropCache
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.crop_box import CropBox
from mocrop.pipeline.errors import Reason
from tests.conftest import MakeVideo, moving_square
from tests.pipeline.export.conftest import (
    ExportTo,
    MakeWorkspace,
    boxes_of,
    cropped,
    decoded,
    psnr,
    quietly,
    times,
)

LOSSLESS = {"crf": 0, "size": 0}


def two_clips(folder: Path, make_video: MakeVideo) -> None:
    """Of two classes, with something that moves in both; 40 frames of 128x96."""
    for name in ("A/a", "B/b"):
        make_video(folder / f"data/{name}.mp4", frames=40, size=(128, 96), codec="libx264")


def test_without_scaling_and_loss_the_export_is_the_crop_bit_for_bit(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    two_clips(tmp_path, make_video)
    make_workspace()
    report = export_to(policy="center", ratio=0.25, shape="frame", **LOSSLESS)
    assert (report.clips, report.left_out, report.failed) == (2, 0, 0)
    source, made = decoded(tmp_path / "data/A/a.mp4"), decoded(tmp_path / "out/A/a.mp4")
    assert len(made) == len(source) == 40
    assert {psnr(cropped(one, (32, 24, 96, 72)), other) for one, other in zip(source, made, strict=True)} == {
        float("inf")
    }
    assert set(boxes_of(tmp_path / "out", "A/a.mp4", 40)) == {(32, 24, 96, 72)}
    assert times(tmp_path / "out/A/a.mp4") == times(tmp_path / "data/A/a.mp4")


def test_a_box_at_odd_pixels_is_widened_to_whole_chroma_samples(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/a.mp4", frames=3, size=(102, 98), codec="libx264")
    make_workspace()
    export_to(policy="center", ratio=0.25, shape="frame", **LOSSLESS)
    box = CropBox(left=0.25, top=0.25, right=0.75, bottom=0.75)
    assert box.pixels(102, 98) == (26, 24, 76, 74)  # halves round to even
    export_to(policy="center", ratio=0.26, shape="frame", overwrite=True, **LOSSLESS)
    side = 0.26**0.5
    exact = CropBox(left=0.5 - side / 2, top=0.5 - side / 2, right=0.5 + side / 2, bottom=0.5 + side / 2)
    assert exact.pixels(102, 98) == (25, 24, 77, 74)
    assert boxes_of(tmp_path / "out", "A/a.mp4", 1) == [(24, 24, 78, 74)]


def test_a_moving_box_follows_and_each_frame_is_its_own_crop(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    pictures = moving_square(40, width=192, height=96, step=3)
    make_video(tmp_path / "data/A/a.mp4", frames=pictures, codec="libx264", options={"crf": "20"})
    make_workspace()
    export_to(policy="follow", ratio=0.25, **LOSSLESS)
    boxes = boxes_of(tmp_path / "out", "A/a.mp4", 40)
    lefts = [box[0] for box in boxes]
    assert len(set(lefts)) > 5
    assert lefts[30] > lefts[10]
    assert len({(right - left, bottom - top) for left, top, right, bottom in boxes}) == 1
    source, made = decoded(tmp_path / "data/A/a.mp4"), decoded(tmp_path / "out/A/a.mp4")
    for picture, box, crop in zip(source, boxes, made, strict=True):
        assert psnr(cropped(picture, box), crop) == float("inf")


def test_between_the_slots_of_a_cache_the_box_goes_evenly(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    pictures = moving_square(40, width=192, height=96, step=3)
    make_video(tmp_path / "data/A/a.mp4", frames=pictures, codec="libx264", key_interval=12)
    workspace = make_workspace()
    preprocess.precrop(workspace, size=32, policy="follow", ratio=0.25, run=quietly())
    export_to(cache="follow-32", **LOSSLESS)
    cache = CropCache(workspace.cache("follow-32"))
    numbers = cache.frame_index[0][cache.frame_index[0] >= 0].tolist()
    assert numbers == [0, 12, 24, 36]
    boxes = boxes_of(tmp_path / "out", "A/a.mp4", 40)
    for before, after, first, last in zip(numbers, numbers[1:], cache.slot_box[0], cache.slot_box[0][1:], strict=False):
        middle = (before + after) // 2
        wanted = (first.astype(float) + last.astype(float)) / 2 * (192, 96, 192, 96)
        assert np.abs(np.array(boxes[middle]) - wanted).max() <= 3  # rounded, then moved outwards to even pixels
    assert boxes[37] == boxes[39] == boxes[36]
    source, made = decoded(tmp_path / "data/A/a.mp4"), decoded(tmp_path / "out/A/a.mp4")
    for picture, box, crop in zip(source, boxes, made, strict=True):
        assert psnr(cropped(picture, box), crop) == float("inf")


def test_scaled_frames_are_near_to_a_textbook_crop(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo, textbook_crop
) -> None:
    two_clips(tmp_path, make_video)
    make_workspace()
    export_to(policy="center", ratio=0.25, shape="frame", crf=5, size=48)
    source = decoded(tmp_path / "data/A/a.mp4")[7]
    with av.open(str(tmp_path / "out/A/a.mp4")) as container:
        frame = list(container.decode(video=0))[7]
    assert (frame.width, frame.height) == (48, 48)
    wanted = textbook_crop(source, (32, 24, 96, 72), size=48)
    made = frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
    error = ((wanted - made) ** 2).mean()
    assert 10 * np.log10(255**2 / error) > 30


def test_padding_keeps_the_shape_of_the_crop(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    two_clips(tmp_path, make_video)
    make_workspace()
    export_to(policy="center", ratio=0.25, shape="frame", crf=0, size=64, fit="pad")
    luma = decoded(tmp_path / "out/A/a.mp4")[0][0]
    assert luma.shape == (64, 64)
    assert np.ptp(luma[:8].astype(int)) == np.ptp(luma[-8:].astype(int)) == 0
    assert luma[0, 0] == luma[-1, -1]
    assert np.ptp(luma[8:-8].astype(int)) > 50
    source = decoded(tmp_path / "data/A/a.mp4")[0]
    assert psnr(cropped(source, (32, 24, 96, 72))[:1], [luma[8:-8]]) > 45  # 64x48 to 64x48


def test_more_loss_is_a_little_loss(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    two_clips(tmp_path, make_video)
    make_workspace()
    quality = {}
    for crf in (10, 40):
        export_to(tmp_path / f"out{crf}", policy="full", ratio=None, crf=crf, size=0)
        pairs = zip(decoded(tmp_path / "data/B/b.mp4"), decoded(tmp_path / f"out{crf}/B/b.mp4"), strict=True)
        quality[crf] = min(psnr(one, other) for one, other in pairs)
    assert quality[10] > 40 > quality[40] > 15


def test_frames_keep_their_times_where_they_come_irregularly(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    pts = [0, 1, 2, 7, 8, 30, 31, 32, 33, 60, 61, 62]
    make_video(tmp_path / "data/A/a.mkv", frames=12, pts=pts, codec="libx264")
    make_workspace()
    report = export_to(policy="center", **LOSSLESS)
    assert times(tmp_path / "out/A/a.mp4") == pytest.approx([each / 25 for each in pts], abs=1e-3)
    assert times(tmp_path / "out/A/a.mp4") == times(tmp_path / "data/A/a.mkv")
    assert Reason.VARIABLE_FRAME_RATE not in report.stages[0].summary.notes


def test_fps_takes_the_frames_that_are_next_in_time(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/a.mp4", frames=25, rate=25, codec="libx264")
    make_workspace()
    export_to(policy="full", fps=5, **LOSSLESS)
    source, made = decoded(tmp_path / "data/A/a.mp4"), decoded(tmp_path / "out/A/a.mp4")
    # a frame at n/25 s is at n/5 steps of a fifth: 0, 1, 2 are nearest to step 0, 3 to 7 to step 1; the last one stays
    for number, crop in zip((2, 7, 12, 17, 22, 24), made, strict=True):
        assert psnr(source[number], crop) == float("inf")
    assert times(tmp_path / "out/A/a.mp4") == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_more_frames_a_second_than_there_are_show_some_again(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/a.mp4", frames=4, rate=10, codec="libx264")
    make_workspace()
    export_to(policy="full", fps=20, **LOSSLESS)
    source, made = decoded(tmp_path / "data/A/a.mp4"), decoded(tmp_path / "out/A/a.mp4")
    assert [[psnr(one, other) for other in source].index(float("inf")) for one in made] == [0, 0, 1, 1, 2, 2, 3]


def test_a_clip_that_is_stored_turned_is_exported_upright(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/a.mp4", frames=4, size=(64, 48), rotation=90, codec="libx264")
    make_workspace()
    export_to(policy="full", **LOSSLESS)
    source, made = decoded(tmp_path / "data/A/a.mp4")[0], decoded(tmp_path / "out/A/a.mp4")[0]
    assert made[0].shape == (64, 48)
    assert psnr([np.rot90(plane, 1) for plane in source], made) == float("inf")
    with av.open(str(tmp_path / "out/A/a.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_full_range_stays_full_range(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/a.avi", frames=3, codec="mjpeg", pix_fmt="yuvj420p")
    make_video(tmp_path / "data/A/b.mp4", frames=3, codec="libx264")
    make_workspace(source="h264")
    export_to(policy="center", ratio=0.25, shape="frame", crf=0, size=32)
    for name, source in (("a", "a.avi"), ("b", "b.mp4")):
        with av.open(str(tmp_path / f"out/A/{name}.mp4")) as made, av.open(str(tmp_path / f"data/A/{source}")) as own:
            crop = next(made.decode(video=0)).to_ndarray(format="rgb24").astype(float)
            frame = next(own.decode(video=0)).to_ndarray(format="rgb24").astype(float)
        assert abs(crop.mean() - frame[12:36, 16:48].mean()) < 4


@pytest.mark.parametrize("size", [0, 32])
@pytest.mark.parametrize("full", [False, True])
def test_colours_are_those_of_the_source_in_limited_range(
    tmp_path: Path,
    make_video: MakeVideo,
    make_workspace: MakeWorkspace,
    export_to: ExportTo,
    full: bool,
    size: int,
) -> None:
    told = f"colormatrix=bt709:colorprim=bt709:transfer=bt709:fullrange={'on' if full else 'off'}"
    grey = [np.full((48, 64, 3), 250, np.uint8)] * 3
    make_video(tmp_path / "data/A/a.mp4", frames=grey, codec="libx264", options={"x264-params": told, "crf": "0"})
    make_workspace()
    export_to(policy="center", crf=0, size=size)
    brightness = []
    for file in ("data/A/a.mp4", "out/A/a.mp4"):
        with av.open(str(tmp_path / file)) as container:
            frame = next(container.decode(video=0))
            colours = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
        assert [int(each) for each in colours] == [1, 1 + (full and file.startswith("data")), 1, 1], file
        brightness.append(frame.to_ndarray(format="rgb24").astype(float).mean())
    assert np.ptp(brightness) < 2
    assert min(brightness) > 200


def test_segments_of_a_video_are_cut_out_of_it(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    make_video(tmp_path / "data/A/day.mp4", frames=50, codec="libx264")
    rows = "path,label,subset,start,end\nA/day.mp4,A,train,0,0.96\nA/day.mp4,B,train,0.5,1.5\nA/day.mp4,A,test,9,10\n"
    (tmp_path / "own.csv").write_text(rows)
    make_workspace(splits=tmp_path / "own.csv", source="h264")
    report = export_to(policy="center", ratio=0.25, shape="frame", **LOSSLESS)
    assert (report.clips, report.left_out, report.failed) == (2, 1, 1)  # one begins after the end of the video
    source = decoded(tmp_path / "data/A/day.mp4")
    for name, numbers in (("A/day#0-0.96", range(24)), ("B/A/day#0.5-1.5", range(13, 38))):
        made = decoded(tmp_path / f"out/{name}.mp4")
        wanted = [cropped(source[number], (16, 12, 48, 36)) for number in numbers]
        assert [psnr(one, other) for one, other in zip(wanted, made, strict=True)] == [float("inf")] * len(numbers)
        assert times(tmp_path / f"out/{name}.mp4") == pytest.approx([n / 25 for n in range(len(numbers))])


def with_sound(path: Path, codec: str, *, seconds: int = 2) -> Path:
    """A video of 25 frames a second with a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        video, sound = output.add_stream("mpeg4", rate=25), output.add_stream(codec, rate=16000)
        video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        for number, picture in enumerate(moving_square(25 * seconds, width=64, height=48)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        resampler = av.AudioResampler(format=sound.format, layout="mono", rate=16000)
        size = sound.codec_context.frame_size or 1024
        for start in range(0, 16000 * seconds, size):
            wave = (np.sin(np.arange(start, start + size) / 20) * 8000).astype(np.int16)[np.newaxis]
            part = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16000, start, Fraction(1, 16000)
            for each in resampler.resample(part):
                output.mux(sound.encode(each))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    return path


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [
            (round(float(packet.pts * packet.time_base), 3), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size
        ]


def test_sound_is_kept_as_it_is_or_dropped(tmp_path: Path, make_workspace: MakeWorkspace, export_to: ExportTo) -> None:
    with_sound(tmp_path / "data/A/a.mp4", "aac")
    make_workspace()
    export_to(policy="center", audio="keep", size=32)
    kept = sound_packets(tmp_path / "out/A/a.mp4")
    own = [packet for packet in sound_packets(tmp_path / "data/A/a.mp4") if packet[0] >= 0]
    assert len(kept) > 20
    assert kept == own
    export_to(policy="center", size=32, overwrite=True)
    with av.open(str(tmp_path / "out/A/a.mp4")) as container:
        assert not container.streams.audio


def test_sound_of_a_segment_is_that_of_its_time(
    tmp_path: Path, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    with_sound(tmp_path / "data/A/a.mp4", "aac")
    (tmp_path / "own.csv").write_text("path,label,subset,start,end\nA/a.mp4,A,train,0.4,1.4\n")
    make_workspace(splits=tmp_path / "own.csv", source="h264")
    export_to(policy="center", audio="keep", size=32)
    kept = sound_packets(tmp_path / "out/A/a#0.4-1.4.mp4")
    own = [(seconds - 0.4, data) for seconds, data in sound_packets(tmp_path / "data/A/a.mp4") if 0.4 <= seconds < 1.4]
    assert [data for _, data in kept] == [data for _, data in own]
    assert [seconds for seconds, _ in kept] == pytest.approx([seconds for seconds, _ in own], abs=2e-3)


def test_sound_that_an_mp4_file_cannot_hold_is_left_out_and_said(
    tmp_path: Path, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    with_sound(tmp_path / "data/A/a.avi", "adpcm_ima_wav")
    make_workspace()
    report = export_to(policy="center", audio="keep", size=32)
    assert report.stages[0].summary.notes[Reason.AUDIO_LEFT_OUT] == 1
    assert len(decoded(tmp_path / "out/A/a.mp4")) == 50


def test_an_odd_size_is_an_error_that_names_the_option(
    tmp_path: Path, make_video: MakeVideo, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    two_clips(tmp_path, make_video)
    make_workspace()
    with pytest.raises(Exception, match="size must be even"):
        export_to(policy="center", size=33)


@pytest.mark.real
def test_real_clips_come_back_as_their_crops(
    tmp_path: Path, real_clips: Path, make_workspace: MakeWorkspace, export_to: ExportTo
) -> None:
    for name in ("Archery/v_Archery_g01_c01", "Surfing/v_Surfing_g01_c01"):
        file = tmp_path / f"data/{name}.avi"
        file.parent.mkdir(parents=True)
        file.symlink_to(real_clips / f"videos/{name}.avi")
    make_workspace()
    export_to(policy="follow", ratio=0.5, crf=10, size=0)
    for name in ("Archery/v_Archery_g01_c01", "Surfing/v_Surfing_g01_c01"):
        source, made = decoded(tmp_path / f"data/{name}.avi"), decoded(tmp_path / f"out/{name}.mp4")
        boxes = boxes_of(tmp_path / "out", f"{name}.mp4", len(source))
        assert min(psnr(cropped(s, b), m) for s, b, m in zip(source, boxes, made, strict=True)) > 38
        assert times(tmp_path / f"out/{name}.mp4") == pytest.approx(times(tmp_path / f"data/{name}.avi"), abs=1e-6)
