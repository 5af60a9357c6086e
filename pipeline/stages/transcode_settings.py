"""The settings of the stage `transcode`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mocrop.pipeline.choices import require_choice
from mocrop.pipeline.limits import require_whole
from mocrop.pipeline.video.decoder import MAX_DAMAGED, require_share

Entropy = Literal["cavlc", "cabac"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]


@dataclass(frozen=True, kw_only=True)
class TranscodeSettings:
    """How the H.264 files are made."""

    key_interval: int = 12  # frames from one key frame to the next
    crf: int = 23  # x264's constant quality, 0 (lossless) to 51
    preset: Preset = "veryfast"  # x264's preset
    max_damaged: float = MAX_DAMAGED  # largest share of frames that may be damaged, 0 to 1
    entropy: Entropy = "cavlc"  # cabac: files 7 % smaller, 45 % more time to decode; docs/bitstream.md
    deinterlace: bool = False  # make one whole picture of the two fields of each interlaced frame
    own_key_frames: int | None = None  # leave clips as they are whose own files serve with so many; None: encode all

    def __post_init__(self) -> None:
        require_whole("key_interval", self.key_interval, least=1)
        require_whole("crf", self.crf, most=51)
        require_share(self.max_damaged)
        require_choice("preset", self.preset, Preset)
        require_choice("entropy", self.entropy, Entropy)
        if self.own_key_frames is not None:
            require_whole("own_key_frames", self.own_key_frames)

    @property
    def x264_options(self) -> dict[str, str]:
        """Options of libx264: no scene cuts, no B-frames, one reference frame, reproducible bytes."""
        structure = f"keyint={self.key_interval}:min-keyint={self.key_interval}:scenecut=0:bframes=0:ref=1"
        coder = f"cabac={int(self.entropy == 'cabac')}"
        # One thread and no processor-dependent code, for the same bytes everywhere: x264's AVX-512 code reads
        # uninitialised memory at some numbers of macroblocks per row, and rounds unlike the rest of x264.
        parameters = f"{structure}:{coder}:threads=1:cpu-independent=1"
        return {"preset": self.preset, "crf": str(self.crf), "x264-params": parameters}
