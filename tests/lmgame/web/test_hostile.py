"""What models and servers write is shown and does nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import Played, Serve, Visit

RIGHT_TO_LEFT, ZERO_WIDTH = "\u202e", "\u200b"
ATTACKS = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>",
    "</script><script>window.pwned = 1</script>",
    '"><svg onload=window.pwned=1>',
    "{{ 7 * 7 }} {% raw %} ${7 * 7}",
    'data: {}\n\nevent: folder\ndata: {"finished": 999}\n\nid: 7\n\n',
    f"abc{RIGHT_TO_LEFT}def{ZERO_WIDTH}ghi\u2028jkl\u2066",
    "javascript:window.pwned=1",
    "]]><!-- --><style>*{display:none}</style><base href='http://example.invalid/'>",
    "\x1b[31m\x00\x07",
)
NAME = "<img src=x onerror=window.pwned=1>"
LONG = "A" * 10_000_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, played: Played) -> Path:
    """A real game, whose answers have become attacks."""
    folder = tmp_path_factory.mktemp("hostile")
    run = folder / "run"
    source = played.roots[0] / "tetris"
    about: dict[str, Any] = json.loads((source / "run.json").read_text())
    about["request"]["model"] = NAME
    about["command"] = f"lmgame play --model '{NAME}'"
    (run / "episodes").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(about))
    for number, path in enumerate(sorted((source / "episodes").iterdir())):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines[0]["model"] = NAME
        for line in lines[1:-1]:
            attack = ATTACKS[line["index"] % len(ATTACKS)]
            line |= {"raw": attack, "thought": attack, "problem": attack, "finish_reason": attack}
        lines[3]["raw"] = LONG
        lines.insert(2, {"type": "fault", "index": 1, "kind": ATTACKS[0], "message": ATTACKS[1]})
        if number:
            lines.pop()  # one that is still played
        (run / "episodes" / path.name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_attacks_do_nothing(hostile: Path, visit: Visit, serve: Serve):
    records = sorted(hostile.glob("run/episodes/*.jsonl"))
    address = serve([hostile], hostile / "store.sqlite")
    visitor = visit(f"{address}/runs.html")
    page = visitor.page
    expect(page.locator("tbody")).to_contain_text(NAME)
    pages = [Played([hostile], hostile).address(record) for record in records]
    for place in (f"{pages[0].rpartition('/')[0]}/index.html", *pages):
        page.goto(f"{address}/{place}")
        expect(page.locator("body")).to_contain_text(NAME)
    for moment in range(len(ATTACKS)):
        page.locator("#scrubber").fill(str(moment))
        expect(page.locator(".verdict")).to_contain_text(f"decision {moment}")
        raw = page.locator(".words pre").nth(1)
        expect(raw).not_to_have_text("Loading …")
        told = raw.text_content() or ""
        assert RIGHT_TO_LEFT not in told
        assert ZERO_WIDTH not in told
        assert "\x00" not in told
    page.locator("#scrubber").fill("5")
    expect(page.locator(".words pre").nth(1)).to_contain_text("abc\\u202edef\\u200bghi\\u2028jkl\\u2066")
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script:not([src]):not([type='application/json']), main style, base").count() == 0
    assert page.evaluate("document.querySelectorAll('[onerror], [onload]').length") == 0
    assert {asked.split("/")[2] for asked in visitor.asked if asked.startswith("http")} == {address.split("/")[2]}


def test_an_answer_of_ten_megabytes_is_cut_and_can_be_fetched(hostile: Path, visit: Visit, serve: Serve):
    record = min(hostile.glob("run/episodes/*.jsonl"))
    address = serve([hostile], hostile / "store.sqlite")
    page = visit(f"{address}/{Played([hostile], hostile).address(record)}#2").page
    raw = page.locator(".words pre").nth(1)
    expect(raw).to_contain_text("… 9,980,000 more characters")
    assert len(raw.text_content() or "") < 21_000
    link = page.get_by_role("link", name="The whole answer, as text").get_attribute("href")
    answer = page.request.get(f"{address}/{link.removeprefix('../../')}" if link else "")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert LONG in answer.text()


def test_events_of_a_hostile_game_stay_events(hostile: Path, visit: Visit, serve: Serve):
    """A model's answer that looks like an event stream must not become one."""
    record = max(hostile.glob("run/episodes/*.jsonl"))
    address = serve([hostile], hostile / "store.sqlite")
    folder = Played([hostile], hostile).address(record).rpartition("/")[0]
    page = visit(f"{address}/{folder}/index.html").page
    expect(page.locator("#boards .board")).to_have_count(1)
    expect(page.locator("#boards .board")).to_contain_text(NAME)
    expect(page.locator("#finished")).to_have_text("1")
    assert page.evaluate("window.pwned") is None
