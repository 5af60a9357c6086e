"""Listen to what FFmpeg's decoder reports while it decodes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging

# Reported as errors, and none: that packets hold several pictures, or nothing to be decoded.
_HARMLESS = ("Frame num change", "no frame!", "Header packet")
# Where decoding has entered a video, its headers may let go of pictures from before, which the decoder has not got.
OF_ENTERING = ("mmco: unref short failure",)


class DecoderErrors:
    """Errors that one decoder has reported since the last call of :meth:`any_since`."""

    def __init__(self, codec: str, messages: list[tuple[int, str, str]], harmless: tuple[str, ...] = ()) -> None:
        self._codec, self._harmless = codec, (*_HARMLESS, *harmless)
        self._messages = messages

    def any_since(self) -> bool:
        """Whether there was one since this was asked last."""
        if not self._messages:
            return False
        found = any(
            level <= av.logging.ERROR and name == self._codec and not text.startswith(self._harmless)
            for level, name, text in self._messages
        )
        self._messages.clear()
        return found


class _Listeners:
    """What FFmpeg is to report, which holds for all threads: the first that listens sets it, the last undoes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._before: tuple[int | None, bool] = (None, True)

    def come(self) -> None:
        with self._lock:
            if self._count == 0:
                self._before = level, _ = av.logging.get_level(), av.logging.get_skip_repeated()
                av.logging.set_level(av.logging.ERROR if level is None else max(level, av.logging.ERROR))
                av.logging.set_skip_repeated(False)
            self._count += 1

    def go(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                level, skip_repeated = self._before
                av.logging.set_level(level)
                av.logging.set_skip_repeated(skip_repeated)


_LISTENERS = _Listeners()


@contextmanager
def decoder_errors(codec: str, *, harmless: tuple[str, ...] = ()) -> Iterator[DecoderErrors]:
    """Collect the errors that a decoder reports in this thread; nothing of them is printed.

    Args:
        codec: FFmpeg's name of the decoder.
        harmless: beginnings of more messages that do not count.
    """
    _LISTENERS.come()
    try:
        with av.logging.Capture() as messages:
            yield DecoderErrors(codec, messages, harmless)
    finally:
        _LISTENERS.go()
