"""The site as files, opened from disk in two browsers."""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from lmgame.web import export_pages
from lmgame_common import UsageError
from lmgame_leaderboards import read_episode

from .conftest import Played, Visit


def check_links(export: Path) -> None:
    for page in export.rglob("*.html"):
        text = page.read_text()
        assert not re.search(r'(src|href)="(/|[a-z]+:)', text), page  # relative ones alone
        assert "<script>" not in text
        for address in re.findall(r'(?:src|href)="([^"#]+)', text):
            assert (page.parent / address).is_file(), (page, address)
        for link in re.findall(r"versus/[^&\"]+\.html", text):  # those of the heat map
            assert (export / link).is_file(), (page, link)


def test_all_links_lead_to_files(export: Path):
    assert len(list(export.rglob("*.html"))) > 40
    check_links(export)


def test_links_to_pages_that_are_left_out_are_none(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lmgame_leaderboards.web.export.PAIRS", 1)
    told = export_pages(played.roots, tmp_path / "site", db=str(played.db), rounds=20, megabytes=0)
    assert "pages of two models' matches are left out" in told
    check_links(tmp_path / "site")
    assert not (tmp_path / "site/versus").exists()
    pages = list((tmp_path / "site").rglob("*.html"))
    assert f"{len(pages)} pages" in told and all(f"{len(pages)} pages" in page.read_text() for page in pages)


def test_nothing_tells_where_it_was_made(export: Path, played: Played):
    place = str(played.roots[0].parent)
    for file in export.rglob("*"):
        if file.suffix in (".html", ".js") and "static" not in file.parts:
            assert place not in file.read_text(), file


def test_it_is_looked_at_from_disk(export: Path, played: Played, visit: Visit):
    visitor = visit((export / "index.html").as_uri())
    page = visitor.page
    expect(page.locator("#matrix svg")).to_be_visible()
    page.locator("table.standings").get_by_role("link", name="random", exact=True).click()
    page.get_by_role("link", name="scripted", exact=True).click()
    section = page.locator("section").filter(has=page.get_by_role("heading", name="tetris/standard"))
    section.get_by_role("link", name=re.compile("the moment it was")).first.click()
    expect(page.locator(".side")).to_have_count(2)
    for side in page.locator(".side").all():
        expect(side.locator("img")).to_have_attribute("alt", re.compile("before decision"))
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#moment")).to_contain_text("decision 1 of")
    record = played.records("cards")[0]
    page.goto(f"{export.as_uri()}/{played.address(record)}#9")
    expect(page.locator(".screen:not(.waiting) img")).to_have_attribute("alt", "The board before decision 9")
    assert all(address.startswith(("file:", "data:")) for address in visitor.asked)


def test_a_cap_on_frames_says_what_it_left_out(played: Played, tmp_path: Path, visit: Visit):
    out = tmp_path / "small"
    told = export_pages(played.roots, out, db=str(played.db), megabytes=0.05, rounds=50)
    left = re.search(r"frames of (\d+) games are left out, since 0.05 MB are full", told)
    assert left is not None
    assert int(left[1]) > 5
    frames = sum(
        len(uri) for path in out.rglob("part-*.js") for uri in re.findall(r"data:image/webp[^\"]*", path.read_text())
    )
    assert frames <= 50_000
    visitor = visit((out / "index.html").as_uri())
    expect(visitor.page.locator("footer")).to_contain_text(left[0])
    bare = next(
        record
        for run in ("board", "cards", "tetris")
        for record in played.records(run)
        if "data:" not in (out / played.address(record).replace(".html", "/part-0.js")).read_text()
    )
    visitor.page.goto(f"{out.as_uri()}/{played.address(bare)}")
    expect(visitor.page.locator(".screen figcaption")).to_have_text("This copy has no frames of it.")
    expect(visitor.page.locator(".moves").first).to_have_text(" ".join(read_episode(bare).decisions[0]["moves"]))


def test_an_export_replaces_an_earlier_one_and_nothing_else(played: Played, tmp_path: Path):
    few = tmp_path / "few"
    shutil.copytree(played.roots[0] / "cards", few / "cards")
    out = tmp_path / "site"
    export_pages([few], out, db=str(tmp_path / "none.sqlite"), rounds=50)
    (out / "stale.html").write_text("from before")
    export_pages([few], out, db=str(tmp_path / "none.sqlite"), rounds=50)
    assert not (out / "stale.html").exists()
    assert (out / "index.html").is_file()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        export_pages([few], other, db=str(tmp_path / "none.sqlite"))
    assert [path.name for path in other.iterdir()] == ["chapter.txt"]


def test_a_damaged_record_keeps_nothing_from_being_exported(played: Played, tmp_path: Path):
    runs = tmp_path / "runs"
    shutil.copytree(played.roots[0] / "tetris", runs / "tetris")
    damaged, whole = sorted((runs / "tetris" / "episodes").iterdir())
    damaged.write_text("no record\n" + damaged.read_text())
    told = export_pages([runs], tmp_path / "site", db=str(tmp_path / "none.sqlite"), rounds=50)
    assert "1 records can't be read" in told
    address = Played([runs], tmp_path).address(whole)
    data = (tmp_path / "site" / address.replace(".html", "/data.js")).read_text()
    assert json.loads(data.removeprefix("lmgame.track(").removesuffix(");\n"))["n"] == len(
        read_episode(whole).decisions
    )
