r"""Names in figures: printable, no formulas, and in a font that has their letters.

Matplotlib's own font has Latin, Greek, Cyrillic, Hebrew and Arabic letters. For others, Chinese, Japanese and Korean
ones first, fonts of this machine are looked for; a letter that none of them has is written as its code, ``\\u65e5``,
which says more than an empty box and costs no warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from mocrop.pipeline.names import printable

FURTHER_FONTS = (  # in the order in which they are asked for a letter that the usual font lacks
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC"),
    *("Source Han Sans", "Source Han Sans SC", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "AR PL UMing CN", "Droid Sans Fallback", "NanumGothic"),
    *("Hiragino Sans", "Hiragino Maru Gothic Pro", "PingFang SC", "Heiti TC", "STHeiti", "Apple SD Gothic Neo"),
    *("Yu Gothic", "Meiryo", "MS Gothic", "Microsoft YaHei", "SimHei", "Malgun Gothic"),
    *("Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Symbols", "Noto Sans Symbols 2"),
    *("Segoe UI", "Segoe UI Symbol", "Symbola", "Arial Unicode MS", "Unifont"),
)
MAX_LETTERS = 48  # of a name that takes room at the side of a plot


def drawable(text: object) -> str:
    """Text for a line in a figure: printable, what no font has a letter for included."""
    return printable(text, shows=lambda character: font_of(character) is not None)


def short_name(name: str) -> str:
    """A drawable name, and of a very long one the start and the end.

    >>> short_name("Archery"), short_name("a" * 30 + "b" * 30)
    ('Archery', 'aaaaaaaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbbbbbbbbbb')
    """
    shown = drawable(name)
    half = MAX_LETTERS // 2
    return shown if len(shown) <= MAX_LETTERS else f"{shown[:half]}…{shown[1 - half :]}"


@cache
def font_of(character: str) -> str | None:
    """The family of the first font that has the character, "" for matplotlib's usual one; None if there is none."""
    for family, font in _fonts():
        if font.get_char_index(ord(character)):
            return family
    return None


@cache
def _fonts() -> tuple[tuple[str, FT2Font], ...]:
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return (("", _font(None)), *((name, _font(name)) for name in FURTHER_FONTS if name in installed))


def _font(family: str | None) -> FT2Font:
    """The regular cut of a family, by default the usual one."""
    return font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=family)))


def show_names(figure: Figure) -> None:
    """Make every text of a figure printable, and give it the fonts that it needs.

    Numbers at axes stay formulas, as in 10 to the power of -3; nothing else is one.
    """
    for text in _texts(figure):
        lines = text.get_text().split("\n")  # names have no line breaks left where a text has several lines
        shown = "\n".join(map(drawable, lines))
        _set_fonts(text, shown)
        if text.get_wrap() and "$" in shown:  # whose width matplotlib takes for that of a formula all the same
            text.set_parse_math(True)
            shown = shown.replace("$", r"\$")
        text.set_text(shown)


def _texts(artist: Artist) -> Iterator[Text]:
    if isinstance(artist, Axis):
        yield artist.label
        _show_tick_names(artist)
        return
    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        yield from _texts(child)


def _show_tick_names(axis: Axis) -> None:
    formatter = axis.get_major_formatter()
    if not isinstance(formatter, (FixedFormatter, FuncFormatter)):
        return  # numbers

    def named(value: float, position: int | None = None) -> str:
        return drawable(formatter(value, position))

    axis.set_major_formatter(FuncFormatter(named))
    for tick in axis.get_major_ticks():
        for label in (tick.label1, tick.label2):
            _set_fonts(label, drawable(label.get_text()))


def _set_fonts(text: Text, shown: str) -> None:
    text.set_parse_math(False)
    families = dict.fromkeys(family for character in shown if (family := font_of(character)))
    if families:
        text.set_fontfamily([*text.get_fontfamily(), *families])
