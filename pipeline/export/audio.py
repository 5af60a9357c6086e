"""Copy the sound of a clip beside its pictures, packet by packet, as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from mocrop.pipeline.errors import Reason
from mocrop.pipeline.export.clip_video import ClipVideo
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.video.open import open_container


class AudioCopy:
    """The first stream of sound of a clip's file, copied into an MP4 file.

    Args:
        output: the file, before anything is written to it.
        log: receives AUDIO_LEFT_OUT if MP4 cannot hold it.
    """

    def __init__(self, clip: ClipVideo, output: OutputContainer, log: ClipLog, resources: contextlib.ExitStack) -> None:
        self._output, self._clip = output, clip
        self._packets: Iterator[tuple[Fraction, Packet[AudioStream]]] = iter(())
        self._next: tuple[Fraction, Packet[AudioStream]] | None = None
        container = resources.enter_context(open_container(clip.path))
        streams = container.streams.audio
        if not streams:
            return
        try:
            self._target = output.add_stream_from_template(streams[0])
        except (ValueError, av.error.FFmpegError):
            name = streams[0].codec_context.name if streams[0].codec_context else "unknown"
            log.note(Reason.AUDIO_LEFT_OUT, f"MP4 cannot hold its sound, {name}: it was left out")
            return
        self._packets = self._of_the_clip(container, streams[0])
        self._next = next(self._packets, None)

    def until(self, seconds: Fraction | None) -> None:
        """Write what is heard up to a time of the clip; None: all."""
        while self._next is not None and (seconds is None or self._next[0] <= seconds):
            packet = self._next[1]
            packet.stream = self._target
            self._output.mux(packet)
            self._next = next(self._packets, None)

    def _of_the_clip(
        self, container: av.container.InputContainer, stream: AudioStream
    ) -> Iterator[tuple[Fraction, Packet[AudioStream]]]:
        """The packets that begin within the clip, at times since its first frame."""
        clip, base = self._clip, Fraction(stream.time_base or 1)
        shift = round(clip.start() / base)
        if clip.length is not None:
            container.seek(max(0, round(clip.start() * av.time_base)))
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size or packet.pts < shift:
                continue
            seconds = (packet.pts - shift) * base
            if clip.length is not None and seconds >= clip.length:
                return
            packet.pts -= shift
            packet.dts = packet.pts
            yield seconds, packet
