"""The player: by mouse, by keys, by address."""

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lmgame.replay import walk
from lmgame_games import frame_of
from lmgame_leaderboards import read_episode
from tests.lmgame.conftest import needs_mario

from .conftest import Played, Serve, Visit

PIXELS = """async image => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = data.filter((_, at) => at % 4 < 3);
    return [canvas.height, canvas.width, Array.from(colours.filter((_, at) => at % 97 == 0))];
}"""


@pytest.fixture
def episode(played: Played) -> Path:
    """A game of Tetris that one player played."""
    return played.records("tetris")[0]


def at(page: Page, moment: int) -> None:
    expect(page.locator("#moment")).to_have_text(re.compile(rf"^decision {moment} of "))


def shown(page: Page, moment: int) -> None:
    """The frame of that moment is there."""
    at(page, moment)
    expect(page.locator(".screen:not(.waiting) img")).to_have_attribute("alt", f"The board before decision {moment}")


@pytest.mark.parametrize("run", ["tetris", pytest.param("mario", marks=needs_mario)])
def test_it_shows_what_was_played(run: str, site: str, played: Played, visit: Visit):
    episode = played.records(run)[0]
    log = read_episode(episode)
    page = visit(f"{site}/{played.address(episode)}#17").page
    shown(page, 17)
    line = log.decisions[17]
    expect(page.locator(".moves")).to_have_text(" ".join(line["moves"]))
    expect(page.locator(".verdict")).to_contain_text(f"decision 17: {line['verdict']}")
    step = next(step for step in walk(episode) if step.record["index"] == 17)
    assert page.locator(".words pre").last.text_content() == step.env.text()
    height, width, some = page.locator(".screen img").evaluate(PIXELS)
    step = next(step for step in walk(episode) if step.record["index"] == 17)
    frame = frame_of(step.env)
    assert (height, width) == frame.shape[:2]
    assert some == frame.reshape(-1)[::97].tolist()


def test_keys(site: str, played: Played, episode: Path, visit: Visit):
    page = visit(f"{site}/{played.address(episode)}").page
    last = len(read_episode(episode).decisions)
    shown(page, 0)
    for key, moment in (
        ("ArrowRight", 1),
        ("PageDown", 11),
        ("ArrowLeft", 10),
        ("PageUp", 0),
        ("End", last),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        at(page, moment)
    page.keyboard.press("End")
    expect(page.locator(".screen figcaption")).to_contain_text("ended: ")
    page.locator("#speed").focus()
    page.locator("#speed").select_option("4")
    page.keyboard.press("ArrowLeft")  # it belongs to the player, whatever was chosen before
    at(page, last - 1)
    expect(page.locator("#speed")).to_have_value("4")
    page.keyboard.press("d")
    at(page, last - 1)
    for _ in range(10):
        page.keyboard.press("+")
    expect(page.locator("#speed")).to_have_value("16")
    for _ in range(10):
        page.keyboard.press("-")
    expect(page.locator("#speed")).to_have_value("0.5")


def test_playing_and_pausing(site: str, played: Played, episode: Path, visit: Visit):
    page = visit(f"{site}/{played.address(episode)}").page
    shown(page, 0)
    page.locator("#speed").select_option("16")
    page.locator("#main").click(position={"x": 5, "y": 5})
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text(re.compile("Pause"))
    expect(page.locator("#moment")).to_have_text(re.compile(r"^decision (2\d|[3-9]\d|\d{3}) of"))
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text(re.compile("Play"))
    here = page.locator("#moment").text_content()
    page.wait_for_timeout(300)  # nothing is to happen
    assert page.locator("#moment").text_content() == here
    page.keyboard.press("End")
    page.locator("#play").click()  # from the end it begins anew
    expect(page.locator("#moment")).to_have_text(re.compile(r"^decision \d of"))


def test_the_mouse(site: str, played: Played, episode: Path, visit: Visit):
    page = visit(f"{site}/{played.address(episode)}").page
    last = len(read_episode(episode).decisions)
    shown(page, 0)
    line = page.locator("#line")
    box = line.bounding_box()
    assert box is not None
    line.click(position={"x": box["width"] / 2, "y": 60})
    moment = int(re.findall(r"\d+", page.locator("#moment").text_content() or "")[0])
    assert abs(moment - last / 2) < last / 10
    shown(page, moment)
    page.locator("#scrubber").fill(str(last - 3))
    shown(page, last - 3)
    page.get_by_role("button", name="One decision back").click()
    shown(page, last - 4)


def test_a_moment_has_an_address(site: str, played: Played, episode: Path, visit: Visit):
    address = f"{site}/{played.address(episode)}"
    page = visit(address).page
    shown(page, 0)
    page.locator("#scrubber").fill("23")
    expect(page).to_have_url(f"{address}#23")
    again = visit(f"{address}#23").page
    shown(again, 23)
    again.goto(f"{address}#5")  # the same page: only the part behind the sign changes
    shown(again, 5)


def test_unusable_answers_are_found(site: str, played: Played, visit: Visit):
    found = [
        (record, [line["index"] for line in read_episode(record).decisions if line["verdict"] != "ok"])
        for run in ("tetris", "board")
        for record in played.records(run)
    ]
    record = next(record for record, bad in found if not bad)
    page = visit(f"{site}/{played.address(record)}").page
    at(page, 0)
    page.keyboard.press("f")
    expect(page.locator("#status")).to_have_text("All answers could be used.")


def test_two_race_side_by_side_and_in_step(site: str, played: Played, visit: Visit):
    one, other = [record for record in played.records("board") if record.name.startswith("tetris-standard-0-")]
    names = [read_episode(record).header["seats"][0]["player"]["model"] for record in (one, other)]
    ids = "+".join(played.address(record).removeprefix("runs/").removesuffix(".html") for record in (one, other))
    page = visit(f"{site}/match.html#{ids}@4").page
    expect(page.locator("h1")).to_have_text(" against ".join(names))
    at(page, 4)
    for number, record in enumerate((one, other)):
        side = page.locator(".side").nth(number)
        expect(side.locator("img")).to_have_attribute("alt", "The board before decision 4")
        expect(side.locator(".moves")).to_have_text(" ".join(read_episode(record).decisions[4]["moves"]))
    page.keyboard.press("ArrowRight")
    for number in (0, 1):
        expect(page.locator(".side").nth(number).locator("figcaption")).to_contain_text("decision 5 of")
    page.keyboard.press("End")
    expect(page.locator("#lead")).to_contain_text(re.compile("won|Drawn"))
    expect(page).to_have_url(re.compile(r"@\d+$"))


def test_a_shared_game_shows_both_answers(site: str, played: Played, visit: Visit):
    record = played.records("cards")[0]
    log = read_episode(record)
    page = visit(f"{site}/{played.address(record)}").page
    moment = next(line["index"] for line in log.decisions if line["seat"] == 1 and line["index"] > 6)
    page.locator("#scrubber").fill(str(moment))
    at(page, moment)
    before = max(line["index"] for line in log.decisions if line["seat"] == 0 and line["index"] < moment)
    expect(page.locator(".side.to-move .verdict")).to_have_text(f"Answer, decision {moment}: ok")
    expect(page.locator(".side:not(.to-move) .verdict")).to_have_text(f"Answer before, decision {before}: ok")


@pytest.mark.parametrize(
    "address", ["match.html", "match.html#../../etc+x/y", "match.html#a/b+c/d+e/f", "match.html#%"]
)
def test_addresses_that_name_no_match_say_so(site: str, visit: Visit, address: str):
    visitor = visit(f"{site}/{address}")
    expect(visitor.page.locator("#status")).to_have_text(
        "This address names no match. Follow a link from a model's page."
    )
    assert not [asked for asked in visitor.asked if "data.js" in asked]


def test_a_record_of_other_rules_shows_words_without_frames(tmp_path: Path, played: Played, visit: Visit, serve: Serve):
    shutil.copytree(played.roots[0] / "tetris", tmp_path / "old")
    record = sorted((tmp_path / "old" / "episodes").iterdir())[0]
    lines = record.read_text().splitlines()
    header = json.loads(lines[0]) | {"version": 999}
    record.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    address = serve([tmp_path], tmp_path / "none.sqlite")
    page = visit(f"{address}/{Played([tmp_path], tmp_path).address(record)}").page
    expect(page.locator(".screen figcaption")).to_contain_text("This can't be drawn: ")
    expect(page.locator(".screen figcaption")).to_contain_text("version 999")
    expect(page.locator(".moves")).to_have_text(" ".join(json.loads(lines[1])["moves"]))
