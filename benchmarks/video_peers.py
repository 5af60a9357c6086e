"""Peers that read the videos for every batch: decode, crop and resize, with OpenCV and with torchcodec.

Frame numbers and boxes are those of the cache, so the pictures differ from the cache's by the scaler alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peers import INSTALL, Absent, Drawn, Frames, IntArray, Peer, Task

from mocrop.pipeline.cache.crop_cache import CropCache

TOLERANCE = 8.0  # grey levels on average; scalers differ by 1 to 5 on real clips, a frame next to it by more


class Videos:
    """The files and boxes behind the rows of a cache."""

    def __init__(self, cache: CropCache, folder: Path) -> None:
        self.size = cache.size
        self.files = [next(folder.glob(f"{name}.*")) for name in cache.clip]
        self.box, self.frame_index = cache.box, cache.frame_index

    def edges(self, row: int, *, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of the picture that the box keeps."""
        left, top, right, bottom = self.box[row].tolist()
        return slice(round(top * height), round(bottom * height)), slice(round(left * width), round(right * width))

    def numbers(self, row: int, slots: IntArray) -> list[int]:
        return [int(number) for number in self.frame_index[row, slots]]


def opencv_pattern(task: Task, videos: Videos) -> Peer:
    """What the reference implementation does for every frame: open the video, seek, decode, crop, resize."""
    try:
        import cv2
    except ImportError as error:
        raise Absent(f"OpenCV is not installed; {INSTALL}") from error
    cv2.setNumThreads(1)

    def frame(row: int, number: int) -> Frames:
        capture = cv2.VideoCapture(str(videos.files[row]))
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        there, picture = capture.read()
        capture.release()
        assert there, f"OpenCV cannot read frame {number} of {videos.files[row]}"
        cut = picture[videos.edges(row, width=picture.shape[1], height=picture.shape[0])]
        scaled = cv2.resize(cut, (videos.size, videos.size), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)).transpose(2, 0, 1)

    def read(batch: int) -> Drawn:
        pick = task.pick(batch)
        for place, row in enumerate(pick.rows.tolist()):
            for segment, number in enumerate(videos.numbers(row, pick.slots[place])):
                task.out[place, segment] = frame(row, number)
        return Drawn(rows=pick.rows, slots=pick.slots, frames=task.out)

    return Peer(read=read, files=videos.files, tolerance=TOLERANCE)


def torchcodec_decoding(task: Task, videos: Videos) -> Peer:
    """One decoder a clip, its frames in one call, cropped and resized by torchvision on one thread."""
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:  # it loads the libraries of FFmpeg at its import
        first = str(error).strip().partition("\n")[0]
        raise Absent(f"torchcodec cannot be used ({first}); {INSTALL}") from error
    from torchvision.transforms.v2.functional import resize

    def read(batch: int) -> Drawn:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        pick = task.pick(batch)
        for place, row in enumerate(pick.rows.tolist()):
            decoder = VideoDecoder(str(videos.files[row]), seek_mode="approximate", num_ffmpeg_threads=1)
            pictures = decoder.get_frames_at(videos.numbers(row, pick.slots[place])).data
            down, across = videos.edges(row, width=pictures.shape[-1], height=pictures.shape[-2])
            scaled = resize(pictures[..., down, across], [videos.size, videos.size], antialias=True)
            task.out[place] = scaled.numpy()
        torch.set_num_threads(threads)
        return Drawn(rows=pick.rows, slots=pick.slots, frames=task.out)

    return Peer(read=read, files=videos.files, tolerance=TOLERANCE)
