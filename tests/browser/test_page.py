"""The report's page in a real browser: what it loads, shows and does when somebody clicks.

The class of one of the models is called ``<script>``, as a data set's could be.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.synthetic_tables import LABELS, write_tables

from phasebench.claims.marks import MARKS, count_marks
from phasebench.reporting.page.build import build_report

HOSTILE = "<script>window.harm = true</script><img src=x onerror='window.harm = true'>"
WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")
ESCAPE = "\ue00c"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all kinds of tables, in the folders in which the workflow leaves it."""
    folder = tmp_path_factory.mktemp("report")
    labels = {model: (label, count) for model, (label, count) in LABELS.items()}
    labels["cifarnet_real"] = (f"Real CNN {HOSTILE}", 34_282)
    frames = write_tables(folder / "results/tables", labels=labels, with_studies=True)
    frames["items"].assign(item=HOSTILE + frames["items"]["item"]).to_parquet(folder / "results/tables/items.parquet")
    for run in frames["runs"]["run"]:
        for path in (folder / "results/runs" / run / "run.json", folder / "logs/train" / f"{run}.log"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(run)
    build_report(folder / "results/tables", folder / "reports", folder / "logs")
    return folder / "reports"


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The page, freshly loaded on a desktop's screen in the light scheme."""
    _emulate(browser)
    # What earlier tests left in the logs is not this page's.
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get((report / "benchmark.html").as_uri())
    yield browser
    assert browser.execute_script("return window.harm") is None


def _emulate(browser: Any, width: int = WIDTHS["desktop"], scheme: str = "light", media: str = "screen") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def _table(page: Any, kind: str) -> Any:
    return page.find_element("css selector", f"table.{kind}")


def _shown(page: Any, table: Any, column: int) -> list[str]:
    """The values by which the rows that are shown are sorted."""
    script = """
        return Array.from(arguments[0].tBodies[0].rows).filter((row) => row.offsetParent !== null)
          .map((row) => row.cells[arguments[1]].dataset.value ?? row.cells[arguments[1]].textContent.trim())"""
    return list(page.execute_script(script, table, column))


def _click(page: Any, element: Any) -> None:
    """In the middle of the screen, where nothing that stays on top covers it."""
    page.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
    element.click()


def _heading(table: Any, text: str) -> Any:
    (heading,) = (th for th in table.find_elements("css selector", "thead th") if th.text == text)
    return heading


def test_nothing_is_requested_and_nothing_is_complained_of(page: Any) -> None:
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in sent if not url.startswith("data:")] == [page.current_url]


def test_the_policy_of_the_page_stops_requests(page: Any) -> None:
    """The check above can fail: a request that somebody adds is seen."""
    page.execute_script("fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


def test_the_first_screen_says_what_was_run_and_what_came_out(page: Any, report: Path) -> None:
    script = """
        const seen = (element) => element.getBoundingClientRect().bottom < innerHeight && element.offsetParent !== null;
        return [
          document.querySelector(".lead").textContent,
          Array.from(document.querySelectorAll(".card .strip a")).filter(seen).map((link) => link.ariaLabel),
          Array.from(document.querySelectorAll(".card .picture")).filter(seen).length,
          Array.from(document.querySelectorAll(".tally b")).filter(seen).map((number) => Number(number.textContent)),
        ]"""
    lead, strip, pictures, counts = page.execute_script(script)
    tables = report.parent / "results/tables"
    assert f"{len(pd.read_parquet(tables / 'runs.parquet'))} training runs of 5 networks" in lead
    claims = pd.read_parquet(tables / "claims.parquet")
    assert sorted(label.partition(": ")[2] for label in strip) == sorted(claims["text"])
    assert pictures == 1
    assert counts[: len(MARKS)] == list(count_marks(claims["mark"]).values())


def test_a_mark_leads_to_its_claim_even_where_that_is_folded_away(page: Any) -> None:
    link = page.find_element("css selector", ".card .strip a[href*='lowest_error']")
    claim = page.find_element("id", link.get_dom_attribute("href")[1:])
    assert not claim.is_displayed()
    link.click()
    assert claim.is_displayed()
    assert 0 <= page.execute_script("return arguments[0].getBoundingClientRect().top", claim) < 900


def test_the_side_bar_stays_in_sight(page: Any) -> None:
    link = page.find_element("css selector", ".contents a[href='#provenance']")
    page.execute_script("scrollTo(0, document.body.scrollHeight / 2)")
    assert 0 < page.execute_script("return arguments[0].getBoundingClientRect().bottom", link) < 900


def test_on_a_phone_the_side_bar_is_a_menu(page: Any) -> None:
    _emulate(page, width=WIDTHS["phone"])
    page.refresh()
    menu, link = (page.find_element("css selector", f".contents {part}") for part in ("summary", "a[href='#runs']"))
    assert not link.is_displayed()
    menu.click()
    assert link.is_displayed()
    link.click()
    assert not link.is_displayed()
    assert page.execute_script("return scrollY") > 900
    assert page.execute_script("return arguments[0].getBoundingClientRect().top", menu) >= 0


def test_columns_that_were_not_run_stand_behind_a_switch(page: Any) -> None:
    table = _table(page, "accuracy")

    def shown(what: str) -> int:
        return sum(cell.is_displayed() for cell in table.find_elements("css selector", what))

    below, groups = "thead tr:nth-child(2) th", "thead tr:first-child th.group"
    assert (shown(below), shown(groups)) == (2, 2)
    page.find_element("css selector", ".switch input").click()
    assert (shown(below), shown(groups)) == (9, 3)


def test_a_cell_says_more_when_the_focus_is_on_it(page: Any) -> None:
    cell = page.find_element("css selector", "table.accuracy td:has(button.ours)")
    button, more = (cell.find_element("css selector", part) for part in ("button.ours", ".more"))
    assert more.get_dom_attribute("id") == button.get_dom_attribute("aria-describedby")
    assert not more.is_displayed()
    page.execute_script("arguments[0].focus()", button)
    assert more.is_displayed()
    assert "3\N{NO-BREAK SPACE}seeds" in more.get_attribute("textContent")
    button.send_keys(ESCAPE)
    assert not more.is_displayed()


def test_numbers_are_sorted_as_numbers_in_both_directions(page: Any) -> None:
    table = _table(page, "runs")
    column = [th.text for th in table.find_elements("css selector", "thead th")].index("Wall time")
    printed = _shown(page, table, column)
    numbers = sorted(printed, key=float)
    assert numbers not in (printed, sorted(printed)), "sorting them as texts would do"
    heading = _heading(table, "Wall time")
    for direction, expected in (("descending", numbers[::-1]), ("ascending", numbers), (None, printed)):
        _click(page, heading.find_element("tag name", "button"))
        assert heading.get_attribute("aria-sort") == direction
        assert _shown(page, table, column) == expected


def test_texts_are_sorted_and_one_column_at_a_time(page: Any) -> None:
    table = _table(page, "runs")
    for name in ("Model", "Seed"):
        _click(page, _heading(table, name).find_element("tag name", "button"))
    marked = [th for th in table.find_elements("css selector", "th") if th.get_attribute("aria-sort")]
    assert [th.text for th in marked] == ["Seed"]
    _click(page, _heading(table, "Model").find_element("tag name", "button"))
    names = _shown(page, table, 2)
    assert names == sorted(names)
    assert len(set(names)) > 2


def test_a_column_below_a_common_heading_sorts_by_its_own_values(page: Any) -> None:
    table = _table(page, "accuracy")
    below = table.find_elements("css selector", "thead tr:nth-child(2) th")
    measured = [index for index in range(len(below)) if "".join(_shown(page, table, 2 + index))]
    column = measured[-1]
    _click(page, below[column].find_element("tag name", "button"))
    values = _shown(page, table, 2 + column)
    present = [float(value) for value in values if value]
    assert len(present) > 2
    assert present == sorted(present, reverse=True)
    assert values[len(present) :] == [""] * (len(values) - len(present)), "what was not run stays below"


def test_a_filter_shows_the_rows_with_every_word(page: Any) -> None:
    table = _table(page, "runs")
    line = table.find_element("css selector", "caption .filter")
    rows = [row.text for row in table.find_elements("css selector", "tbody tr")]
    expected = [row for row in rows if "CDS" in row and "SVHN" in row]
    assert 0 < len(expected) < len(rows)
    line.find_element("tag name", "input").send_keys("svhn cds")
    assert [row.text for row in table.find_elements("css selector", "tbody tr") if row.is_displayed()] == expected
    assert line.find_element("tag name", "output").text == f"{len(expected)} of {len(rows)} rows"
    _click(page, line.find_element("tag name", "button"))
    assert len(_shown(page, table, 0)) == len(rows)
    assert line.find_element("tag name", "output").text == ""


def test_a_number_leads_to_its_runs_and_a_run_to_what_made_it(page: Any, report: Path) -> None:
    cell = page.find_element("css selector", "table.accuracy td:has(a.seeds)")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].children[0].focus()", cell)
    link = cell.find_element("css selector", "a.seeds")
    expected = link.get_attribute("data-runs").split()
    assert len(expected) == 3
    link.click()
    table = _table(page, "runs")
    rows = [row for row in table.find_elements("css selector", "tbody tr") if row.is_displayed()]
    assert [row.get_attribute("id") for row in rows] == expected
    assert page.current_url.endswith(f"#{expected[0]}")
    script = "return arguments[0].getBoundingClientRect().top"
    reset, row = (
        page.execute_script(script, element)
        for element in (table.find_element("css selector", ".filter button"), rows[0])
    )
    assert 0 < reset < row < 900

    (run,) = {row.get_attribute("title").rpartition("/")[0] for row in rows}
    settings, environment, record, log = rows[0].find_elements("tag name", "a")
    for link, name in ((record, "run.json"), (log, "seed0.log")):
        path = report / link.get_dom_attribute("href")
        assert (path.name, path.read_text()) == (name, f"{run}/seed0")
    _click(page, settings)
    assert "optimizer adamw" in page.find_element("css selector", "tr:target").text
    _click(page, environment)
    assert "torch 2.13.0" in page.find_element("css selector", "tr:target").text

    # Back from the settings to all their runs: none stays hidden.
    _click(page, page.find_element("css selector", "#settings-1 a.seeds"))
    assert len(_shown(page, table, 0)) == len(table.find_elements("css selector", "tbody tr"))


def test_every_link_leads_somewhere(page: Any, report: Path) -> None:
    links = [link.get_dom_attribute("href") for link in page.find_elements("css selector", "a[href]")]
    inside = {link[1:] for link in links if link.startswith("#")}
    missing = page.execute_script("return arguments[0].filter((id) => !document.getElementById(id))", sorted(inside))
    assert missing == []
    beside = {link for link in links if not link.startswith(("#", "data:"))}
    assert [link for link in beside if not (report / link).is_file()] == []
    assert len(inside) > 10
    assert len(beside) > 50


def test_every_embedded_download_is_its_file(page: Any, report: Path) -> None:
    links = page.find_elements("css selector", "a[href^='data:']")
    assert len(links) > 5
    for link in links:
        header, _, content = link.get_dom_attribute("href").partition(",")
        assert header == "data:text/csv;charset=utf-8;base64"
        name = link.get_dom_attribute("download")
        assert base64.b64decode(content, validate=True) == (report / "tables" / name).read_bytes()


def test_markup_in_names_is_text(page: Any) -> None:
    """That it did no harm, every test checks at its end."""
    assert HOSTILE in page.find_element("tag name", "body").text
    assert page.find_elements("tag name", "img") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_stands_out_from_its_ground(page: Any, scheme: str) -> None:
    """By the formula of WCAG 2.2; 4.5 is what it asks of texts of any size."""
    _emulate(page, scheme=scheme)
    ground = page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    brightness = sum(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness < 3 * 128) == (scheme == "dark")
    script = """
        const luminance = (colour) => {
          const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (element) => {
          for (let at = element; at !== null; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour;
          }
        };
        const found = {};
        let checked = 0;
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const element = walker.currentNode.parentElement;
          if (!walker.currentNode.data.trim() || element.closest("script, title, desc")) continue;
          const style = getComputedStyle(element);
          const colour = element.closest("svg") ? style.fill : style.color;
          const [light, dark] = [luminance(colour), luminance(ground(element))].sort((a, b) => b - a);
          const contrast = (light + 0.05) / (dark + 0.05);
          checked += 1;
          if (contrast < 4.5) found[`${element.localName}.${element.className}: ${colour}`] = contrast;
        }
        return [checked, found];"""
    checked, found = page.execute_script(script)
    assert checked > 1000
    assert found == {}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("screen", WIDTHS)
def test_nothing_is_wider_than_the_screen_but_what_scrolls_by_itself(page: Any, screen: str, scheme: str) -> None:
    _emulate(page, width=WIDTHS[screen], scheme=scheme)
    assert page.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [WIDTHS[screen]] * 2
    script = """
        return Array.from(document.body.querySelectorAll("*"))
          .filter((element) => !element.closest(".scroll > *, svg *"))
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 80))"""
    assert page.execute_script(script) == []
    # Whoever has no mouse scrolls with the keys, which takes the focus, and hears what it is.
    scrolled = page.find_elements("css selector", ".scroll")
    assert all(box.get_attribute("tabindex") == "0" and box.get_attribute("aria-label") for box in scrolled)
    wider = page.execute_script(
        "return arguments[0].filter((box) => box.scrollWidth > box.clientWidth).length", scrolled
    )
    assert wider > 0 or screen == "desktop"


def test_on_a_phone_the_names_of_rows_stay_in_sight(page: Any) -> None:
    _emulate(page, width=WIDTHS["phone"])
    table = _table(page, "accuracy")
    name = table.find_element("css selector", "tbody th")
    script = "arguments[0].parentElement.scrollLeft = 300; return arguments[1].getBoundingClientRect().left"
    assert page.execute_script(script, table, name) >= 0


def test_drawings_have_texts_and_lines_that_differ_in_more_than_colour(page: Any) -> None:
    drawings = page.find_elements("css selector", ".panel svg")
    assert len(drawings) > 10
    for drawing in drawings:
        title, description = (
            page.execute_script("return document.getElementById(arguments[0]).textContent", name)
            for name in drawing.get_dom_attribute("aria-labelledby").split()
        )
        assert title.strip()
        assert description.strip()
    script = """
        return Array.from(document.querySelector(".legend").querySelectorAll(".key line"))
          .map((line) => line.getAttribute("stroke-dasharray"))"""
    dashes = page.execute_script(script)
    assert len(dashes) == len(set(dashes)) > 2


def test_on_paper_nothing_is_cut_and_nothing_is_left_that_only_a_screen_can_do(page: Any) -> None:
    _emulate(page, width=720, scheme="dark", media="print")
    assert not page.find_element("tag name", "nav").is_displayed()
    assert page.find_element("css selector", "table.accuracy .more").is_displayed()
    assert not page.find_element("css selector", ".downloads").is_displayed()
    assert not page.find_element("css selector", ".filter input").is_displayed()
    assert page.execute_script("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.execute_script("return getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert base64.b64decode(page.print_page()).startswith(b"%PDF-")
