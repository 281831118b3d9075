"""The page in a real headless Chromium: what a reader does with it, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boards import row
from chromium import Browser, installed
from pages import html, results_folder

from dfdbench import leaderboard
from dfdbench.leaderboard import page
from dfdbench.leaderboard.board import PublishedCell, PublishedLine

FOUND = installed()
pytestmark = pytest.mark.skipif(FOUND is None, reason="needs Chromium (apt-get install chromium)")

NAMES = "[...document.querySelectorAll('#board tbody:first-of-type tr')]" + (
    ".filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim())"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert FOUND is not None
    opened = Browser(FOUND, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three detectors on two test sets and two train sets, one with two seeds."""
    folder = tmp_path_factory.mktemp("results")
    rows = results_folder(folder, real=40, fake=60, seeds=(1, 2))
    path = folder / page.FILE
    path.write_text(html(rows), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser: Browser, written: Path) -> Iterator[Browser]:
    """The page, loaded anew; whatever is done to it, nothing may go wrong and nothing is loaded."""
    browser.screen(1280, 900)
    browser.prefer("light")
    browser.open(written.as_uri())
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == [written.as_uri()]


def sorting(tab: Browser, column: str) -> str | None:
    found: str | None = tab.js(
        "[...document.querySelectorAll('#board thead th')]"
        f".find((th) => th.textContent.trim() === '{column}').getAttribute('aria-sort')"
    )
    return found


def test_a_click_on_a_column_sorts_by_it_and_a_second_one_turns_the_order(tab: Browser) -> None:
    assert tab.js(NAMES) == ["ln_norm", "ln", "linear_probe"]
    tab.click("#board thead th:nth-child(3) button")
    assert sorting(tab, "cdfv2") == "descending"
    assert tab.js(NAMES) == ["ln_norm", "ln", "linear_probe"]
    tab.click("#board thead th:nth-child(3) button")
    assert sorting(tab, "cdfv2") == "ascending"
    assert tab.js(NAMES) == ["linear_probe", "ln", "ln_norm"]
    tab.click("#board thead th:nth-child(1) button")
    assert (sorting(tab, "Detector"), sorting(tab, "cdfv2")) == ("ascending", None)
    assert tab.js(NAMES) == ["linear_probe", "ln", "ln_norm"]


def test_typing_hides_the_other_rows_and_says_how_many_are_left(tab: Browser) -> None:
    tab.click("#find")
    tab.type("PROBE")
    assert tab.js(NAMES) == ["linear_probe"]
    assert tab.js("document.getElementById('shown').value") == "1 of 3 rows"
    tab.js("document.getElementById('find').select()")
    tab.type("ln")
    assert tab.js(NAMES) == ["ln_norm", "ln"]


def test_a_click_on_a_figure_opens_what_is_behind_it(tab: Browser) -> None:
    tab.click("#board button.cell")
    tab.until("document.getElementById('cell').open")
    assert tab.js("document.getElementById('cell-title').textContent") == "ln_norm on cdfv2"
    titles = tab.js("[...document.querySelectorAll('dialog h3')].map((h) => h.textContent)")
    assert titles == [
        "ROC", "Scores by class and method", "Reliability", "The 10 worst videos",
        "All figures", "By method",
    ]  # fmt: skip
    pictures = "[...document.querySelectorAll('dialog svg')]"
    assert tab.js(f"{pictures}.every((svg) => svg.getAttribute('role') === 'img')")
    named = f"{pictures}.map((svg) => document.getElementById(svg.getAttribute('aria-labelledby'))"
    assert tab.js(f"{named}.textContent)") == [
        "ROC curve", "Histogram of scores by class and method", "Reliability curve",
    ]  # fmt: skip
    assert tab.js("document.querySelector('dialog svg path.line').getAttribute('d').length") > 50
    rows = "document.querySelectorAll('dialog figure:nth-of-type(4) tbody tr').length"
    assert tab.js(rows) == 10
    tab.click("#close")
    tab.until("!document.getElementById('cell').open")


def test_the_seeds_of_a_figure_have_drawings_of_their_own(tab: Browser) -> None:
    tab.click("#board button.cell")
    path = "document.querySelector('dialog svg path.line').getAttribute('d')"
    first = tab.js(path)
    tab.js("""(() => {
      const seed = document.getElementById('seed');
      seed.value = '1';
      seed.dispatchEvent(new Event('change'));
    })()""")
    assert tab.js(path) != first
    tab.press("Escape")


def test_the_keyboard_leads_from_figure_to_figure_and_back_to_where_it_was(tab: Browser) -> None:
    tab.js("document.querySelector('#board .sort').focus()")
    for _ in range(40):
        tab.press("Tab")
        if tab.js("document.activeElement.className") == "cell":
            break
    where = "document.activeElement.closest('tr').rowIndex + '/' + (document.activeElement" + (
        ".closest('td').cellIndex)"
    )
    assert tab.js(where) == "1/2"
    tab.press("ArrowRight")
    assert tab.js(where) == "1/3"
    tab.press("ArrowDown")
    assert tab.js(where) == "2/3"
    tab.press("Enter")
    tab.until("document.getElementById('cell').open")
    assert tab.js("document.getElementById('cell').contains(document.activeElement)")
    assert tab.js("document.getElementById('cell-title').textContent") == "ln on dfd"
    tab.press("Escape")
    tab.until("!document.getElementById('cell').open")
    tab.until(f"{where} === '2/3'")


def test_every_control_has_a_name(tab: Browser) -> None:
    tab.click("#board button.cell")
    tab("Accessibility.enable")
    nodes = tab("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "searchbox", "combobox", "image", "dialog")
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert {node["role"]["value"] for node in controls} >= {"button", "combobox", "image"}
    assert all(node["name"]["value"] for node in controls)
    tab.press("Escape")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half_in_both_colours(tab: Browser, colours: str) -> None:
    tab.prefer(colours)
    tab.click("#board button.cell")
    pairs = tab.js(CONTRASTS)
    assert len(pairs) > 20
    assert [pair for pair in pairs if pair[0] < 4.5] == []
    tab.press("Escape")


CONTRASTS = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((x) => x / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, n) => sum + x * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll("*")].filter((element) =>
    !["SCRIPT", "STYLE", "TITLE", "DESC"].includes(element.tagName.toUpperCase()) &&
    element.getClientRects().length &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(rgb(ink)), light(ground(element))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), element.tagName, element.className, element.textContent];
  });
})()"""


def test_colours_follow_the_system_until_the_button_is_pressed(tab: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.js(paper)
    tab.prefer("dark")
    dark = tab.js(paper)
    assert light != dark
    tab.until("document.getElementById('theme').textContent === 'Light'")
    tab.click("#theme")
    assert tab.js(paper) == light
    tab.prefer("light")
    tab.click("#theme")
    assert tab.js(paper) == dark


def test_on_a_telephone_nothing_but_the_table_is_wider_than_the_screen(tab: Browser) -> None:
    tab.screen(360, 740, mobile=True)
    wide = "document.documentElement.scrollWidth"
    assert tab.js(wide) == 360
    tab.click("#board button.cell")
    assert tab.js(wide) == 360
    dialog = "document.getElementById('cell')"
    assert tab.js(f"{dialog}.scrollWidth <= {dialog}.clientWidth")
    assert tab.js(f"{dialog}.getBoundingClientRect().width") == 360
    tab.press("Escape")


def test_without_a_script_the_table_stands(browser: Browser, written: Path) -> None:
    browser("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(written.as_uri())
    browser("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.js(NAMES) == ["ln_norm", "ln", "linear_probe"]
    assert browser.js("document.getElementById('filters').hidden")


def test_a_name_that_is_markup_is_shown_as_it_is(browser: Browser, tmp_path: Path) -> None:
    evil = "<img src=x onerror=document.title='taken'>"
    path = tmp_path / "evil.html"
    path.write_text(page.to_html(leaderboard.rank([row(evil)], evil), {}), encoding="utf-8")
    browser.screen(1280, 900)
    browser.open(path.as_uri())
    browser.click("#board button.cell")
    assert browser.js("document.getElementById('cell-title').textContent") == f"{evil} on cdfv2"
    assert browser.js("document.getElementById('panels').textContent") == page.LACKING
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert browser.js("document.title") == f"{evil} · dfdbench"
    assert browser.complaints() == []


def test_published_figures_can_be_hidden_and_open_nothing(browser: Browser, tmp_path: Path) -> None:
    cells = {"cdfv2": PublishedCell(0.95, "high", "", 0.9, -0.05, False)}
    theirs = PublishedLine("A", "a", "ffpp", "video", False, "arXiv:1", "Table 1", cells)
    board = replace(leaderboard.rank([row("a")], "one"), published=(theirs,))
    path = tmp_path / "published.html"
    path.write_text(page.to_html(board, {}), encoding="utf-8")
    browser.open(path.as_uri())
    part = "document.querySelector('.published')"
    assert browser.js(f"{part}.getClientRects().length && !{part}.querySelector('button')")
    browser.click("#published")
    assert browser.js(f"{part}.getClientRects().length") == 0
    assert browser.complaints() == []
