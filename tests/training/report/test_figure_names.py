"""Names in figures: printable, no formulas, in a font that has their letters."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from mocrop.training.report import figure_names
from mocrop.training.report.figure_file import figure_bytes, write_figure
from mocrop.training.report.figure_names import drawable, short_name, show_names

HOSTILE = "$\\frac{$ [red]\x1b[2J\r\u202e\udce9"
SHOWN = r"$\frac{$ [red]\x1b[2J\r\u202e\udce9"


def only_in(family: str) -> str:
    """A letter that a font which comes with matplotlib has and its usual font lacks."""
    usual, other = (
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=name))).get_charmap()
        for name in ("DejaVu Sans", family)
    )
    return next(chr(code) for code in sorted(other) if code not in usual and chr(code).isprintable())


@pytest.fixture(autouse=True)
def fonts_anew() -> Iterator[None]:
    for known in (figure_names._fonts, figure_names.font_of):
        known.cache_clear()
    yield
    for known in (figure_names._fonts, figure_names.font_of):
        known.cache_clear()


@pytest.fixture
def no_further_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure_names, "FURTHER_FONTS", ())


def named_everywhere(name: str) -> Figure:
    figure = Figure(figsize=(16, 14), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow([[1, 2], [3, 4]])
    left.set_xticks(range(2), [name, "plain"], rotation=90)
    left.set_yticks(range(2), ["plain", name])
    left.set_xlabel(name)
    left.set_title(name)
    left.set_title(name, loc="left")
    left.text(0, 0, name)
    right.plot([1e-6, 1e-2], label=name)
    right.set_yscale("log")
    right.annotate(name, (0, 1e-4))
    right.legend()
    figure.legend(handles=right.get_legend_handles_labels()[0], loc="outside lower center")
    figure.suptitle(f"{name}\nsecond line", wrap=True)
    return figure


def draw(figure: Figure) -> None:
    """Draw a figure whose names are shown, and raise an error for a letter that its font lacks."""
    show_names(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        figure.savefig(io.BytesIO(), dpi=50)


def texts(figure: Figure) -> list[Text]:
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return list({id(text): text for text in found}.values())


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def test_every_text_of_a_figure_shows_a_name_and_no_formula(tmp_path: Path) -> None:
    figure = named_everywhere(HOSTILE)
    write_figure(figure, tmp_path / "a.png", dpi=50)  # which raises an error for a formula that is none
    assert (tmp_path / "a.png").stat().st_size > 0
    found = [text for text in words(figure) if "[red]" in text]
    wrapped = SHOWN.replace("$", r"\$")  # which matplotlib draws without the backslashes
    assert len(found) == 10
    assert set(found) == {SHOWN, f"{wrapped}\nsecond line"}


def test_numbers_at_axes_stay_formulas() -> None:
    figure = named_everywhere("plain")
    figure_bytes(figure, dpi=50, kind="png")
    drawn = {text.get_text(): text.get_parse_math() for text in texts(figure)}
    assert drawn[r"$\mathdefault{10^{-4}}$"]
    assert not drawn["plain"]


def test_a_letter_that_no_font_has_is_written_as_its_code_without_a_warning(no_further_fonts: None) -> None:
    figure = named_everywhere("日本 Dig")
    draw(figure)
    assert words(figure).count(r"\u65e5\u672c Dig") == 9


def test_a_letter_that_a_further_font_has_is_drawn_in_that_font(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = only_in("STIXGeneral")
    monkeypatch.setattr(figure_names, "FURTHER_FONTS", ("A Font That Is Nowhere", "STIXGeneral"))
    figure, without = named_everywhere(f"Dig {letter}"), named_everywhere("Dig")
    draw(figure)
    drawn = [text for text in texts(figure) if letter in text.get_text()]
    assert len(drawn) == 10
    assert {tuple(text.get_fontfamily()) for text in drawn} == {("sans-serif", "STIXGeneral")}
    show_names(without)
    assert {tuple(text.get_fontfamily()) for text in texts(without)} == {("sans-serif",)}


def test_a_letter_in_a_further_font_is_not_a_box() -> None:
    """The same text twice, once drawn with that font in reach and once without, gives two pictures."""
    letter = only_in("STIXGeneral")
    figures = []
    for fonts in (("STIXGeneral",), ()):
        figure_names._fonts.cache_clear()
        figure_names.font_of.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(figure_names, "FURTHER_FONTS", fonts)
            figures.append(drawable(letter))
    assert figures == [letter, letter.encode("unicode_escape").decode()]


def test_a_very_long_name_keeps_its_ends() -> None:
    assert short_name("a" * 48) == "a" * 48
    assert short_name("\x1b" * 250).startswith(r"\x1b\x1b")
    assert len(short_name("\x1b" * 250)) == 48
    assert short_name("start" + "x" * 200 + "end").startswith("start")
    assert short_name("start" + "x" * 200 + "end").endswith("end")
