"""The page in a browser: filters, sorting, keys, playing, the view of a clip, colours, names, and what it asks for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mocrop.evaluation.pictures.page.command import page_in_workspace
from mocrop.evaluation.pictures.page.settings import PageSettings
from mocrop.evaluation.pictures.page.sheet import Row, Sheet
from mocrop.evaluation.scores.predictions import write_predictions
from mocrop.pipeline.commands import preprocess
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from tests.conftest import MakeCache, MakeVideo
from tests.evaluation.pictures.page.conftest import HERE, Watched, made_clip, made_page
from tests.evaluation.pictures.page.test_facts import predictions

QUIET = LineConsole(quiet=True)
ALL = [f"v_{name}" for name in ("Dig_g01_c01", "Dig_g02_c01", "Run_g01_c01", "Run_g02_c01", "Run_g03_c01")]
EVIL = "</script><b>bold</b><img src=x onerror=alert(1)>\"'&amp;"


@pytest.fixture(scope="session", params=[False, True], ids=["folder", "single-file"])
def index(request: pytest.FixtureRequest, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of the workspace, with answers on two clips: one is right, one wrong."""
    folder = tmp_path_factory.mktemp("browser")
    logits = np.log(np.array([[3, 1], [9, 1]], np.float32))
    write_predictions(predictions(["Dig/v_Dig_g01_c01", "Run/v_Run_g02_c01"], logits=logits), folder / "r.npz")
    settings = PageSettings(report=folder / "r.npz", single_file=request.param)
    target = folder / ("page.html" if request.param else "page")
    return page_in_workspace(workspace, settings, output=target, console=QUIET).file


def focused(page: Any) -> str:
    """Name of the clip whose card has the focus."""
    return str(page.evaluate("document.activeElement.querySelector?.('.name')?.textContent ?? ''"))


def background(page: Any, selector: str) -> str:
    """Where in its sheet the picture of an element is taken from."""
    return str(page.locator(selector).first.evaluate("element => element.style.backgroundPosition"))


def eventually(page: Any, check: Callable[[], bool]) -> bool:
    """Whether something becomes true within some seconds; the page lets no test run a script of its own in a loop."""
    for _ in range(100):
        if check():
            return True
        page.wait_for_timeout(100)
    return False


def comes_to(page: Any, read: Callable[[], object], wanted: object) -> None:
    """Assert that what is read is soon what is wanted: a browser that has little of the machine takes its time."""
    eventually(page, lambda: read() == wanted)
    assert read() == wanted


def test_all_clips_are_cards_with_pictures_and_names(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    comes_to(watched.page, watched.names, ALL)
    comes_to(page, page.get_by_role("status").inner_text, "5 clips")
    page.wait_for_load_state("networkidle")
    card = page.get_by_role("listitem").filter(has_text="v_Run_g01_c01")
    comes_to(page, card.get_by_role("img", name="frame 12").count, 1)
    comes_to(page, card.get_by_role("img", name="crop by motion-32, cropped").count, 1)
    comes_to(page, card.locator(".box").count, 2)  # of each way one


def test_what_cannot_be_read_says_why_on_its_card(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    card = page.get_by_role("listitem").filter(has_text="v_Dig_g02_c01")
    assert "finds no video" in card.inner_text()
    assert "failed" in card.inner_text()


def test_filters_add_up_within_one_and_narrow_down_between_two(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    page.get_by_role("checkbox", name="Run 3").check()
    comes_to(watched.page, watched.names, ALL[2:])
    comes_to(page, page.get_by_role("status").inner_text, "3 of 5 clips")
    page.get_by_role("checkbox", name="Dig 2").check()
    comes_to(watched.page, watched.names, ALL)
    page.get_by_role("checkbox", name="whole frame 1").check()
    comes_to(watched.page, watched.names, ["v_Dig_g01_c01"])
    page.get_by_role("button", name="Clear all").first.click()
    assert eventually(page, lambda: watched.names() == ALL)


@pytest.mark.parametrize(
    ("box", "names"),
    [
        ("right 1", [ALL[0]]),
        ("wrong 1", [ALL[3]]),
        ("no answer 3", [ALL[1], ALL[2], ALL[4]]),
        ("not-a-video 1", [ALL[1]]),
        ("unknown 1", [ALL[1]]),
        ("failed 1", [ALL[1]]),
    ],
)
def test_each_filter_finds_its_clips(watched: Watched, index: Path, box: str, names: list[str]) -> None:
    watched.open(index).get_by_role("checkbox", name=box, exact=True).check()
    comes_to(watched.page, watched.names, names)


def test_filters_of_subset_follow_the_split(watched: Watched, tmp_path: Path) -> None:
    clips = [made_clip(0, subsets=[1, 2]), made_clip(1, subsets=[2, 1]), made_clip(2, subsets=[0, 3])]
    page = watched.open(made_page(tmp_path / "page", clips, splits=["a", "b"]))
    page.get_by_role("checkbox", name="test 1").check()
    comes_to(watched.page, watched.names, ["clip1"])
    page.get_by_label("of split").select_option("b")
    comes_to(watched.page, watched.names, ["clip0"])


def test_confidence_is_a_range(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    page.get_by_role("slider", name="confidence at least").fill("80")
    comes_to(watched.page, watched.names, [ALL[3]])  # 0.9; the other one is 0.75
    page.get_by_role("slider", name="confidence at most").fill("85")
    comes_to(watched.page, watched.names, [])
    page.get_by_text("No clip is like that.").wait_for()


def test_one_policy_alone_shows_its_boxes_crops_and_states(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    page.get_by_role("radio", name="center-32").check()
    comes_to(page, page.locator("#list .crop").count, 5)
    comes_to(page, page.get_by_role("listitem").filter(has_text="v_Run_g01_c01").locator(".box").count, 1)
    page.get_by_role("checkbox", name="whole frame").check()
    comes_to(watched.page, watched.names, [])  # of the centre, no clip is
    page.get_by_role("radio", name="motion-32").check()
    comes_to(watched.page, watched.names, [ALL[0]])


def test_the_search_finds_names_whatever_their_case(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    page.get_by_role("searchbox", name="Search by name").fill("RUN_G02")
    comes_to(watched.page, watched.names, [ALL[3]])


def test_clips_are_sorted_and_those_without_the_number_come_last(watched: Watched, tmp_path: Path) -> None:
    def at(off: float) -> dict[str, Any]:
        crops = made_clip(0)[0]["crops"]
        return {"crops": [{**crops[0], "off": off}, {**crops[1], "off": 0.01}]}

    clips = [
        made_clip(0, name="A/b10", motion=0.2, answer=["Dig", 0.5, True], **at(0.3)),
        made_clip(1, name="A/b9", motion=None, answer=None, **at(0.1)),
        made_clip(2, name="A/a", motion=0.9, answer=["Dig", 0.9, False], **at(0.2)),
    ]
    page = watched.open(made_page(tmp_path / "page", clips, report="run on cache"))
    sort = page.get_by_role("combobox", name="Sort", exact=True)
    for words, order in {
        "Name": ["a", "b9", "b10"],
        "Motion": ["a", "b10", "b9"],
        "Distance from centre": ["b10", "a", "b9"],
        "Confidence": ["a", "b10", "b9"],
        "Class": ["b10", "b9", "a"],
    }.items():
        sort.select_option(words)
        comes_to(watched.page, watched.names, order)
    sort.select_option("Motion")
    page.get_by_role("button", name=re.compile("^Sorted")).click()
    comes_to(watched.page, watched.names, ["b10", "a", "b9"])


def test_keys_lead_from_card_to_card_into_a_clip_and_back(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    columns = page.evaluate("getComputedStyle(document.getElementById('list')).gridTemplateColumns.split(' ').length")
    assert columns == 2
    page.locator("#list .card").first.focus()
    for key, place in (("ArrowRight", 1), ("ArrowDown", 3), ("ArrowUp", 1), ("End", 4), ("ArrowLeft", 3)):
        page.keyboard.press(key)
        comes_to(page, lambda: focused(page), ALL[place])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="v_Run_g02_c01").wait_for()
    assert eventually(page, lambda: page.url.endswith("#/clip/Run%2Fv_Run_g02_c01"))
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="v_Run_g03_c01").wait_for()
    page.keyboard.press("Escape")
    comes_to(page, lambda: focused(page), "v_Run_g03_c01")
    page.keyboard.press("/")
    comes_to(page, lambda: page.evaluate("document.activeElement.id"), "search")
    page.keyboard.type("Dig/")  # no second jump
    comes_to(watched.page, watched.names, ALL[:2])
    page.keyboard.press("Enter")
    comes_to(page, lambda: focused(page), ALL[0])


def test_one_card_is_reached_by_tab_and_each_knows_its_place(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    comes_to(page, page.locator('#list .card[tabindex="0"]').count, 1)
    items = page.locator("#list li")
    assert items.evaluate_all("all => all.map(one => [one.ariaPosInSet, one.ariaSetSize])") == [
        [str(place), "5"] for place in range(1, 6)
    ]


def test_a_card_plays_its_key_frames_while_it_is_pointed_at_or_has_the_focus(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    card = f".card[href$='{ALL[2]}']"
    before = background(page, f"{card} .still")
    page.locator(card).hover()
    assert eventually(page, lambda: background(page, f"{card} .still") != before)
    page.mouse.move(0, 0)
    assert eventually(page, lambda: background(page, f"{card} .still") == before)
    before = background(page, f"{card} .crop")
    page.locator(card).focus()
    assert eventually(page, lambda: background(page, f"{card} .crop") != before)


def test_who_wants_less_motion_gets_none_but_by_the_button(browser: Any, index: Path) -> None:
    watched = Watched(browser, reduced_motion="reduce")
    page = watched.open(index)
    page.locator(f".card[href$='{ALL[2]}']").hover()
    page.wait_for_timeout(700)  # a frame is shown for 450 ms
    comes_to(page, page.locator(".playing").count, 0)
    page.close()


def test_the_view_of_a_clip_has_density_arrows_the_curve_and_notes(watched: Watched, index: Path) -> None:
    page = watched.open(index)
    page.get_by_role("link", name=ALL[3]).click()
    page.get_by_role("heading", name=ALL[3]).wait_for()
    page.get_by_role("img", name="density map of motion-32").wait_for()
    assert page.get_by_role("img", name="motion vectors").locator(".arrow").count() > 0
    page.get_by_role("img", name=re.compile("speed of the camera by frame, median ")).wait_for()
    assert page.get_by_role("heading", name="Answer").locator("..").inner_text().endswith("Wrong: the clip is Run.")
    page.get_by_role("img", name="crop by center-32").wait_for()
    first = background(page, "#clip .player .large")
    page.get_by_role("button", name="Frame 0", exact=True).click()
    assert eventually(page, lambda: background(page, "#clip .player .large") != first)
    page.get_by_text(re.compile("^Of frame 1, ")).wait_for()
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_text("Frame 12", exact=True).wait_for()
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("link", name="Previous clip").click()
    page.get_by_role("heading", name=ALL[2]).wait_for()
    page.go_back()
    page.get_by_role("heading", name=ALL[3]).wait_for()


def test_a_clip_has_an_address_of_its_own_and_one_that_failed_says_what_was_said(watched: Watched, index: Path) -> None:
    watched.page.goto(f"{index.as_uri()}#/clip/Dig%2Fv_Dig_g02_c01")
    page = watched.page
    page.get_by_role("heading", name=ALL[1]).wait_for()
    page.get_by_role("heading", name="Notes of the stages").wait_for()
    assert page.locator("#clip dt", has_text="extract-mv").locator("+ dd").inner_text().startswith("not-a-video ")
    page.get_by_role("link", name="All clips").click()
    comes_to(watched.page, watched.names, ALL)


def test_colours_are_those_of_the_system_until_the_button_is_pressed(browser: Any, index: Path) -> None:
    for scheme, other in (("light", "dark"), ("dark", "light")):
        watched = Watched(browser, color_scheme=scheme)
        page = watched.open(index)
        ground = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(ground)
        assert (sum(map(int, re.findall(r"\d+", before))) > 384) == (scheme == "light")
        page.get_by_role("button", name=f"Switch to {other} colours").click()
        after = page.evaluate(ground)
        assert (sum(map(int, re.findall(r"\d+", after))) > 384) == (other == "light")
        page.reload()
        assert page.evaluate(ground) == after
        page.close()


def test_on_a_phone_nothing_is_wider_than_the_screen_and_filters_open(browser: Any, index: Path) -> None:
    watched = Watched(browser, viewport={"width": 390, "height": 844})
    page = watched.open(index)
    wider = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(wider)
    toggle = page.get_by_role("button", name="Filters")
    toggle.click()
    page.get_by_role("checkbox", name="Run 3").check()
    page.keyboard.press("Escape")
    assert toggle.get_attribute("aria-expanded") == "false"
    comes_to(watched.page, watched.names, ALL[2:])
    page.locator(".card").first.click()
    page.get_by_role("heading", name=ALL[2]).wait_for()
    assert not page.evaluate(wider)
    page.close()


@pytest.mark.parametrize("single_file", [False, True])
def test_names_are_text_wherever_they_are_shown(watched: Watched, tmp_path: Path, single_file: bool) -> None:
    clip = made_clip(0, name=f"Class/{EVIL}", words=EVIL, reasons=["damaged"], answer=[EVIL, 0.5, False])
    said = {"title": EVIL, "classes": [EVIL, "Run"], "report": "x"}
    file = made_page(tmp_path / "page.html", [clip, made_clip(1)], single_file=single_file, **said)
    page = watched.open(file)
    assert page.locator("#title").inner_text() == EVIL
    comes_to(page, page.locator("img, b:not(#legend b)").count, 0)
    assert page.get_by_text(EVIL).count() >= 3
    page.get_by_role("link", name=EVIL).first.click()
    page.locator("#clip-title").wait_for()
    comes_to(page, page.get_by_role("heading", name=EVIL.rpartition("/")[2]).count, 1)
    comes_to(page, page.locator("img, b:not(#legend b)").count, 0)


def test_clips_of_one_name_each_have_their_view(watched: Watched, tmp_path: Path) -> None:
    clips = [made_clip(0, name="A/same", length=11), made_clip(1, name="A/same", length=22)]
    page = watched.open(made_page(tmp_path / "page", clips))
    for place, frames in ((0, 11), (1, 22)):
        page.locator("#list .card").nth(place).click()
        page.get_by_text(f"{frames} frames").wait_for()
        page.keyboard.press("Escape")


def test_of_three_thousand_clips_only_those_in_sight_are_in_the_page(watched: Watched, tmp_path: Path) -> None:
    page = watched.open(made_page(tmp_path / "page", [made_clip(number) for number in range(3000)]))
    comes_to(page, page.get_by_role("status").inner_text, "3,000 clips")
    assert page.locator("#list li").count() <= 40
    page.locator("#list .card").first.focus()
    page.keyboard.press("End")
    comes_to(page, lambda: focused(page), "clip2999")
    assert page.locator("#list li").count() <= 40
    assert page.locator("#list li").last.get_attribute("aria-posinset") == "3000"
    page.get_by_role("searchbox").fill("clip1500")
    comes_to(watched.page, watched.names, ["clip1500"])
    assert page.evaluate("scrollY") < 3000  # the page is as short as its list


def test_pictures_are_read_when_their_cards_come_into_sight(watched: Watched, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    sheet = Sheet(jpeg=file.getvalue(), width=64, height=48, rows=(Row(top=0, width=32, height=48), None, None))
    place = [64, 48, [[0, 32, 48], None, None]]
    clips = [(*made_clip(number, sheet=place)[:2], sheet) for number in range(400)]
    page = watched.open(made_page(tmp_path / "page", clips))

    def asked() -> int:
        return len({url for url in watched.requests if url.endswith(".jpg")})

    assert eventually(page, lambda: asked() >= 4)
    page.wait_for_load_state("networkidle")
    assert asked() <= 40
    page.locator("#list .card").first.focus()
    page.keyboard.press("End")
    page.wait_for_load_state("networkidle")
    assert eventually(page, lambda: any(url.endswith("/399.jpg") for url in watched.requests))


def shape(page: Any, selector: str) -> float:
    """Width of an element over its height."""
    found = page.locator(selector).first
    found.wait_for()
    box = found.bounding_box()
    return float(box["width"] / box["height"])


def test_no_picture_is_stretched(watched: Watched, tmp_path: Path, make_video: MakeVideo) -> None:
    """Tall and wide clips, and boxes of policies, which are as tall and wide as they are."""
    for name, size in {"Tall/a": (48, 96), "Wide/b": (128, 48)}.items():
        make_video(tmp_path / f"data/{name}.avi", frames=26, size=size)
    work = Workspace(tmp_path / "work")
    preprocess.init(work, tmp_path / "data")
    preprocess.extract_mv(work, source="original", run=HERE)
    settings = PageSettings(policies=("motion", "full"), ratio=0.5)
    page = watched.open(page_in_workspace(work, settings, output=tmp_path / "page", console=QUIET).file)
    for place, (width, height) in enumerate([(48, 96), (128, 48)]):
        card = f"#list li:nth-child({place + 1})"
        left, top, right, bottom = gallery_box(page, place)
        box = (right - left) * width / ((bottom - top) * height)
        assert shape(page, f"{card} .still") == pytest.approx(width / height, rel=0.02)
        assert shape(page, f"{card} .crop") == pytest.approx(box, rel=0.06)  # whole pixels of a small clip
        page.locator(f"{card} .card").click()
        page.locator("#clip .player .large").wait_for()
        assert shape(page, "#clip .player .large") == pytest.approx(width / height, rel=0.02)
        assert shape(page, "#clip .way .crop") == pytest.approx(box, rel=0.06)
        comes_to(page, page.locator("#clip .panel .large").count, 2)
        assert shape(page, "#clip .panel .large") == pytest.approx(width / height, rel=0.02)
        page.keyboard.press("Escape")


def gallery_box(page: Any, place: int) -> list[float]:
    return list(page.evaluate(f"gallery.clips[{place}].crops[0].boxes[0]"))


def test_a_cache_without_videos_shows_where_its_boxes_lie(
    watched: Watched, tmp_path: Path, make_cache: MakeCache
) -> None:
    path = make_cache(tmp_path / "a.zarr", label=[0, 1])
    settings = PageSettings(caches=(str(path),))
    page = watched.open(
        page_in_workspace(Workspace(tmp_path / "nowhere"), settings, output=tmp_path / "page", console=QUIET).file
    )
    comes_to(page, page.locator("#list .still .box").count, 2)
    comes_to(page, page.locator(".why").count, 0)
    page.locator("#list .card").first.click()
    page.get_by_role("img", name="crop by a", exact=True).wait_for()
    comes_to(page, page.locator("#clip .player .box").count, 1)
