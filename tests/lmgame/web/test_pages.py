"""Every page in a real browser: nothing breaks, nothing comes from elsewhere, everybody can use them."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from .conftest import Played, Serve, Visit

MAIN = ("index.html", "games.html", "games/tetris-standard.html", "runs.html", "boards/tetris-standard.html")


def links(page_text: str, base: str) -> Iterator[str]:
    for found in re.findall(r'href="([^"]+)"', page_text):
        address = urldefrag(urljoin(base, found.replace("&amp;", "&")))[0]
        if urlsplit(address).netloc == urlsplit(base).netloc:
            yield address


def test_every_link_leads_to_a_page_that_works(site: str, visit: Visit):
    visitor = visit(f"{site}/")
    page, seen, todo = visitor.page, set[str](), [f"{site}/index.html"]
    kinds = set[str]()
    while todo:
        address = todo.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = page.request.get(address)
        assert answer.status == 200, address
        if not address.endswith(".html"):
            continue
        todo += links(answer.text(), address)
        kind = re.sub(r"[0-9a-f]{6,}.*|runs/.*", "", address.removeprefix(f"{site}/"))
        kind += "record" if re.search(r"runs/[^/]+/(?!index)[^/]+\.html", address) else ""
        if kind not in kinds:  # one of each kind in the browser, the others by their status
            kinds.add(kind)
            page.goto(address, wait_until="load")
            expect(page.locator("h1").first).not_to_be_empty()
    assert len(seen) > 40
    assert len(kinds) >= 12
    assert {urlsplit(address).netloc for address in visitor.asked} == {urlsplit(site).netloc}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["laptop", "phone"])
def test_everybody_can_use_the_main_pages(site: str, played: Played, visit: Visit, width: int, dark: bool):
    cards = played.address(played.records("cards")[0])
    visitor = visit(f"{site}/index.html", width=width, dark=dark)
    page = visitor.page
    model = page.locator("table.standings tbody a").first.get_attribute("href")
    for address in (*MAIN, model, cards, f"{cards.rpartition('/')[0]}/index.html"):
        page.goto(f"{site}/{address}", wait_until="load")
        if address == cards:
            expect(page.locator(".screen img")).to_have_attribute("alt", re.compile("board"))
        found = Axe().run(page).response["violations"]
        serious = [
            (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], (address, serious)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_a_table_is_sorted_by_its_headings_and_by_keys(site: str, visit: Visit):
    page = visit(f"{site}/boards/tetris-standard.html").page
    names = page.locator("table.standings tbody th")
    assert names.first.inner_text().startswith("scripted")
    page.get_by_role("button", name="Mean score").focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    means = page.locator("table.standings td[data-value]").evaluate_all(
        "cells => cells.filter(cell => cell.cellIndex == 7).map(cell => Number(cell.dataset.value))"
    )
    assert len(means) >= 2
    assert means == sorted(means)
    names.first.evaluate("name => { name.closest('tr').cells[7].dataset.value = ''; }")
    unknown = names.first.inner_text()
    for _ in range(2):  # what isn't known comes last both ways
        page.keyboard.press("Enter")
        expect(names.last).to_have_text(unknown)


def test_light_and_dark_are_switched_and_remembered(site: str, visit: Visit):
    page = visit(f"{site}/index.html").page
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    page.locator("#theme").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.goto(f"{site}/runs.html")
    assert page.evaluate(colour) == dark


def test_charts_are_drawn_and_a_cell_leads_to_the_matches(site: str, visit: Visit):
    page = visit(f"{site}/boards/connect4-standard.html").page
    expect(page.locator("#matrix svg")).to_be_visible()
    expect(page.locator("#scores svg")).to_be_visible()
    box = page.locator("#matrix svg").bounding_box()
    assert box is not None
    # The second row's first column: random's points from scripted.
    page.mouse.click(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.75)
    expect(page).to_have_url(re.compile("/versus/"))
    expect(page.locator("h1")).to_have_text("random against scripted")


def test_on_a_phone_labels_stand_apart_and_rows_are_low(site: str, played: Played, visit: Visit):
    page = visit(f"{site}/boards/holdem-standard.html", width=390).page
    boxes = page.locator("#scores svg text").evaluate_all(
        "texts => texts.map(text => text.getBoundingClientRect()).map(box => [box.x, box.right, box.y, box.bottom])"
    )
    assert len(boxes) > 6
    for at, (left, right, top, bottom) in enumerate(boxes):
        for other_left, other_right, other_top, other_bottom in boxes[:at]:
            apart = right <= other_left or other_right <= left or bottom <= other_top + 2 or other_bottom <= top + 2
            assert apart, "labels lie on top of each other"
    page.goto(f"{site}/{played.address(played.records('cards')[0]).rpartition('/')[0]}/index.html", wait_until="load")
    heights = page.locator("#records tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert heights and max(heights) < 45, "each row has one line"


def test_the_moment_a_match_was_lost_is_found_by_following_links(site: str, visit: Visit):
    page = visit(f"{site}/index.html").page
    page.locator("table.standings").get_by_role("link", name="random", exact=True).click()
    page.get_by_role("link", name="scripted", exact=True).click()
    row = page.locator("section", has_text="connect4/standard").locator("tr", has_text="lost").first
    row.get_by_role("link", name=re.compile("the moment it was lost")).click()
    expect(page.locator("#moment")).to_have_text(re.compile(r"decision (\d+) of \d+: the last one$"))
    expect(page.locator(".result.lost")).to_be_visible()
    expect(page.locator(".screen img")).to_have_attribute("alt", re.compile("before decision"))


def test_an_empty_site_says_what_to_run_next(tmp_path: Path, visit: Visit, serve: Serve):
    empty = serve([tmp_path], tmp_path / "none.sqlite")
    page = visit(f"{empty}/").page
    expect(page.locator(".empty")).to_contain_text("lmgame match")
    page.goto(f"{empty}/runs.html")
    expect(page.locator(".empty")).to_contain_text("lmgame play")
    page.goto(f"{empty}/games/tetris-standard.html")
    expect(page.locator(".empty")).to_contain_text("lmgame play --model human --game tetris")


def test_what_is_not_there_says_so(site: str, visit: Visit):
    request = visit(f"{site}/index.html").page.request
    hostile = "runs/..%2f..%2fetc/passwd.html"
    for address in ("nothing.html", "models/0000.html", "runs/no/where.html", "games/chess-standard.html", hostile):
        answer = request.get(f"{site}/{address}")
        assert answer.status == 404, address
        assert "<h1>" in answer.text()


def test_visitors_of_other_machines_need_the_token(played: Played, browser: Browser, serve: Serve):
    token = "correct horse battery staple"
    address = serve(played.roots, played.db, token=token)
    with browser.new_page() as page:
        asked_for = f"{address}/{played.address(played.records('board')[0])}#3"
        answer = page.goto(asked_for)
        assert answer is not None
        assert answer.status == 401
        assert page.evaluate("document.styleSheets[0].cssRules.length") > 10, "our own style, however deep the page is"
        page.get_by_label("The token").fill("a guess")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_have_text("That isn't the token.")
        page.get_by_label("The token").fill(token)
        page.keyboard.press("Enter")
        expect(page.locator(".screen")).to_be_visible()
        assert page.url == asked_for, "the moment that the link was on as well"
        page.goto(f"{address}/runs.html")
        expect(page.locator("h1")).to_have_text("Runs")
