"""Videos of many kinds, and what tells one picture from another."""

from __future__ import annotations

import hashlib

import av
import numpy as np

X264 = "keyint=12:min-keyint=12:scenecut=0"
VIDEOS: dict[str, dict[str, object]] = {
    "mpeg4.avi": {"size": (160, 120)},
    "mpeg4-b.avi": {"options": {"bf": "2"}},
    "mpeg4-b.mp4": {"options": {"bf": "2"}},
    "mpeg4-b.mkv": {"options": {"bf": "2"}},
    "h264.mp4": {"codec": "libx264"},
    "h264-closed.mp4": {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=3"}},
    "h264-open.mp4": {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=3:open-gop=1"}},
    "h264-open.mkv": {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=3:open-gop=1"}},
    "h264-open.avi": {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=3:open-gop=1"}},
    "h264.mov": {"codec": "libx264", "options": {"x264-params": f"{X264}:bframes=2"}},
    "hevc-open.mp4": {
        "codec": "libx265",
        "options": {
            "x265-params": "keyint=12:min-keyint=12:bframes=3:open-gop=1:log-level=none",
            "preset": "ultrafast",
        },
    },
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"auto-alt-ref": "1", "lag-in-frames": "8", "cpu-used": "8"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg2.mkv": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "uneven.mp4": {
        "codec": "libx264",
        "options": {"x264-params": f"{X264}:bframes=3"},
        "pts": [n + n // 3 * 5 for n in range(60)],
    },
}


def fingerprint(frame: av.VideoFrame) -> str:
    planes = (np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width] for p in frame.planes)
    return hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest()
