"""Find the picture inside black bars, given the brightest that each pixel of a clip ever is.

What is cut off is dark and flat from end to end in every frame that was looked at, so nothing that can be seen is lost.
And it ends at an edge that is straight and sharp along most of the side, as no night sky does. Where that is not
certain, the bar stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mocrop.pipeline.crop_box import PixelEdges

DARK = 12.0  # levels above black, of 219 to white, that a pixel of a bar may have
FLAT = 6.0  # levels between the brightest and the darkest pixels of a line of a bar, without a twentieth at each end
SHARP = 6.0  # levels that a pixel must rise at the edge of a bar to tell of it
STRAIGHT = 0.5  # share of the side along which pixels must rise at the same line
STRAIGHTER = 0.8  # the same where something stands in the bar, or the bar is not flat up to the edge
MOSTLY_DARK = 0.75  # share of the pixels of a line beside the edge; the others may be of letters
RINGING_LINES = 8  # next to the edge, where coding spreads the picture into the bar: the side of a coded block
RINGING_SHARE, RINGING = 0.02, 44.0  # of the pixels of such a line, and how bright these may be
RIM = 1 / 3  # of the way from bar to picture: darker lines at the edge are a blend of both
BRIGHT, BRIGHT_SHARE = 40.0, 0.1  # levels above black, and of the picture: a darker clip does not tell what is bar
LEAST_LINES = 4  # of a bar; what is thinner may be a dark edge of the picture
LEAST_LEFT = 1 / 3  # of the area


_LEVELS = 219  # from black to white, as in 8 bits of limited range
_COLUMNS = ("left", "right")
_SIDES = ("top", "bottom", *_COLUMNS)

Picture = npt.NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What levels above black are in the numbers of a picture."""

    black: float
    unit: float  # one of 219 levels

    def __call__(self, level: float) -> float:
        return self.black + level * self.unit


def picture_inside(brightest: Picture, *, black: float = 16, white: float = 235) -> PixelEdges:
    """Find the picture inside black bars at any side; the whole frame where there are none, or in doubt.

    >>> brightest = np.random.default_rng(0).integers(17, 235, (240, 320), dtype=np.uint8)
    >>> picture_inside(brightest)
    (0, 0, 320, 240)
    >>> brightest[:30] = 16
    >>> picture_inside(brightest)
    (0, 30, 320, 240)

    Args:
        brightest: luma, shape (rows, columns): the maximum of each pixel over the frames of the clip.
        black, white: luma of black and of white.
    Returns: left, top, right, bottom, pixels.
    """
    height, width = brightest.shape
    whole = left, top, right, bottom = 0, 0, width, height
    scale = _Scale(black=black, unit=(white - black) / _LEVELS)
    if _bright(brightest, scale) < brightest.size * LEAST_LEFT * BRIGHT_SHARE:  # in no part of it can be enough
        return whole
    cut = dict.fromkeys(_SIDES, 0)
    while True:  # what is bar at one side is no part of the edges at the others
        across, down = slice(left, right), slice(top, bottom)
        found = {side: _lines(_from_outside(brightest, side, across, down), scale) for side in _SIDES if cut[side] == 0}
        cut |= found
        left, top, right, bottom = cut["left"], cut["top"], width - cut["right"], height - cut["bottom"]
        if not any(found.values()):
            break
        if left >= right or top >= bottom:
            return whole
    inside = brightest[top:bottom, left:right]
    enough = _bright(inside, scale) >= inside.size * BRIGHT_SHARE and inside.size >= brightest.size * LEAST_LEFT
    return (left, top, right, bottom) if enough else whole


def _bright(picture: Picture, scale: _Scale) -> int:
    return int(np.count_nonzero(picture >= scale(BRIGHT)))


def _from_outside(brightest: Picture, side: str, across: slice, down: slice) -> Picture:
    """A view of the picture between the bars of the two sides next to this one, from the outermost line on."""
    lines = brightest[down].T if side in _COLUMNS else brightest[:, across]
    return lines[::-1] if side in ("bottom", "right") else lines


def _lines(picture: Picture, scale: _Scale) -> int:
    """Lines of the bar at one side of the picture, which begins with the outermost line; 0: none that is certain."""
    least = max(LEAST_LINES, len(picture) // 80)
    dark = _dark_lines(picture, scale)
    if dark < least:
        return 0
    reach = _reach(len(picture))
    lines = picture[: dark + 3 * reach + 1]
    shares = _rising(lines, reach, scale)
    flat = _Flatness(lines, scale)
    for edge in reversed(range(least, len(shares))):
        if shares[edge] < STRAIGHT:
            continue
        bar = flat.lines_before(edge)
        if edge - bar <= reach:
            bar += _rim_lines(lines, bar, reach)
        elif shares[edge] < STRAIGHTER:
            continue  # it may be something in the picture
        return bar if bar >= least else 0
    return 0


def _reach(lines: int) -> int:
    """Lines that the edge of a bar may be spread over: more in a large picture, which may have been scaled up."""
    return max(2, lines // 100)


def _dark_lines(picture: Picture, scale: _Scale) -> int:
    """Count the outermost lines of which most is dark, but no more than a bar can have."""
    limit, least, most = scale(DARK), MOSTLY_DARK * picture.shape[1], int((1 - LEAST_LEFT) * len(picture))
    count, step = 0, 4
    while count < most:  # in pieces: most sides have no bars
        dark = np.count_nonzero(picture[count : min(count + step, most)] <= limit, axis=1) >= least
        if not dark.all():
            return count + int(dark.argmin())
        count, step = count + len(dark), 32
    return count


def _rising(lines: Picture, reach: int, scale: _Scale) -> npt.NDArray[np.float64]:
    """Share of the pixels that become brighter than before at each line, where an edge may take ``reach`` lines."""
    run = reach + 1
    count = len(lines) - reach
    brightest = lines[:count].copy()
    for number in range(1, run):
        np.maximum(brightest, lines[number : number + count], out=brightest)
    rises = np.subtract(brightest[run:], brightest[:-run], dtype=np.int32) > SHARP * scale.unit
    return np.concatenate([np.zeros(run), np.count_nonzero(rises, axis=1) / lines.shape[1]])


class _Flatness:
    """Which lines are dark and flat all along, and which are but for what coding spreads from the picture nearby."""

    def __init__(self, lines: Picture, scale: _Scale) -> None:
        ordered, length = np.sort(lines, axis=1), lines.shape[1]
        end, bright = length // 20, length - 1 - int(RINGING_SHARE * length)
        high, low = ordered[:, -1 - end].astype(np.float64), np.maximum(ordered[:, end], scale(0))
        self._flat = (ordered[:, -1] <= scale(DARK)) & (high - low <= FLAT * scale.unit)
        self._nearly = self._flat | ((ordered[:, bright] <= scale(DARK)) & (ordered[:, -1] <= scale(RINGING)))

    def lines_before(self, edge: int) -> int:
        """Count the outermost lines outside an edge that are flat; letters and points of light end them."""
        near = max(0, edge - RINGING_LINES)
        good = np.concatenate([self._flat[:near], self._nearly[near:edge]])
        return edge if good.all() else int(good.argmin())


def _rim_lines(lines: Picture, bar: int, reach: int) -> int:
    """Count lines next to the flat ones that are a blend of bar and picture, and far more of the bar."""
    first = max(0, bar - RINGING_LINES)
    middle = np.median(lines[first : bar + 2 * reach], axis=1)
    outside, middle = np.median(middle[: bar - first]), middle[bar - first :]
    for number in range(reach):
        inside = middle[number + 1 : number + 1 + reach].max(initial=0)
        if middle[number] - outside >= RIM * (inside - outside):
            return number
    return reach
