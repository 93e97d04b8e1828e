"""The server: each address of a site, and that what models say is text on all of its pages."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from starlette.types import ASGIApp

from lmgame_leaderboards import PlayerRecord
from lmgame_leaderboards.web.app import create_app
from lmgame_leaderboards.web.folders import Shelf
from lmgame_leaderboards.web.guard import HEADERS
from lmgame_leaderboards.web.ledger import Ledger, ledger_document
from lmgame_leaderboards.web.site import Site
from tests.leaderboards.conftest import make_header
from tests.leaderboards.played import make_game, make_player, make_seat

from .builders import HOSTILE, Answer, FakeStage, ask, seats_of, write_arena, write_record, write_run


class FakeKeeper:
    """Has the ledgers that it is given, and no store."""

    def __init__(self, ledgers: dict[str, Ledger], failed: str = "") -> None:
        self.ledgers, self.failed = ledgers, failed
        self.running = False
        self.changed = asyncio.Event()

    def ledger(self, clock: str) -> Ledger | None:
        return self.ledgers.get(clock)

    def failure(self, clock: str) -> str:
        return self.failed

    def making(self, clock: str) -> float | None:
        return None

    async def first(self, clock: str, patience: float) -> Ledger | None:
        return self.ledger(clock)

    async def news(self, clock: str, patience: float) -> bool:
        try:
            async with asyncio.timeout(patience):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True

    def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


def ledger_of(root: Path, model: str, clock: str = "paused") -> Ledger:
    """Two raced games of two models, whose records are in a run; and two shared ones, in an arena."""
    games = []
    for name, score in ((model, 3.0), (f"other {model}", 40.0)):
        for seed in (0, 1):
            player = make_player(name, sampling={model: model}, harness=[model])
            source = root / "run" / "episodes" / f"tetris-standard-{seed}.jsonl"
            games.append(
                make_game(seed, (make_seat(player, score),), options={}, outcome=model, source=str(source), clock=clock)
            )
    one, other = make_player(model, sampling={model: model}, harness=[model]), make_player("b")
    for seats in ((one, other), (other, one)):
        sides = make_seat(seats[0], 1.0), make_seat(seats[1], 0.0)
        games.append(make_game(0, sides, game="connect4", options={}, outcome=model, clock=clock))
    games.append(make_game(0, (make_seat(one, 1.0),), game=model, preset=model, options={model: model}, clock=clock))
    return Ledger.of(ledger_document(games, clock=clock, rounds=10))


Made = Callable[..., ASGIApp]


@pytest.fixture
def app(tmp_path: Path, stage: FakeStage) -> Iterator[Made]:
    """Makes a server over a run and an arena of models of some name."""
    sites: list[Site] = []

    def make(
        model: str = "stub", *, clocks: tuple[str, ...] = ("paused", "realtime"), failed: str = "", **settings: Any
    ) -> ASGIApp:
        root = tmp_path / f"runs-{len(sites)}"
        texts = {"raw": model, "thought": model, "problem": model, "finish_reason": model, "moves": [model]}
        run = write_run(root / "run", [3, 40], model=model, **texts)
        write_record(run / "episodes" / "odd.jsonl", 1, header=make_header(7, game=model, preset=model), **texts)
        seats = {"seats": seats_of(PlayerRecord(model=model), PlayerRecord(model=model)), "game": model}
        write_record(run / "episodes" / "shared.jsonl", 2, header=seats, **texts)
        (run / "episodes" / "broken.jsonl").write_text("no record\n")
        write_arena(root / "arena", [model, "b"])
        (root / "damaged").mkdir()
        (root / "damaged" / "run.json").write_text("{")
        ledgers = {clock: ledger_of(root, model, clock) for clock in clocks}
        site = Site(Shelf([root]), stage, ledgers.get, live=True)
        sites.append(site)
        return create_app(site, FakeKeeper(ledgers, failed), **settings)  # type: ignore[arg-type]

    yield make
    for site in sites:
        site.close()


class Page(HTMLParser):
    """The elements of a page with their attributes, its links, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.shapes: set[str] = set()
        self.links: set[str] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shapes.add(f"{tag} {' '.join(sorted(name for name, _ in attrs))}")
        for name, value in attrs:
            if name in ("href", "src", "data-events") and value:
                self.links.add(value)
        if tag == "script":
            self.scripts.append(dict(attrs))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data


async def crawl(app: ASGIApp) -> dict[str, Answer]:
    """All that can be reached from the front page; streams are left out."""
    found: dict[str, Answer] = {}
    todo = ["/index.html"]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found[path] = answer = await ask(app, path)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Page(answer.text)
        track = re.search(r'data-tracks="([^"]+)"', answer.text)
        files = ("data.js", "part-0.js", "words-0.txt") if track else ()
        for link in page.links | {f"/runs/{track[1]}/{file}" for file in files if track}:
            to = unquote(urljoin(f"http://x{path}", link).partition("#")[0])
            assert to.startswith("http://x/"), link
            if "/events/" not in to:
                todo.append(to.removeprefix("http://x"))
    return found


async def test_every_address_answers(app: Made):
    found = await crawl(app())
    assert {path: answer.status for path, answer in found.items() if answer.status != 200} == {
        path: 500 for path in found if "damaged" in path or "broken" in path
    }
    kinds = [
        "/index.html", "/boards/realtime.html", "/boards/connect4-standard.html",
        "/boards/realtime-tetris-standard.html",
        "/games.html", "/games/tetris-standard.html", "/games/tetris-standard.webp", "/runs.html", "/match.html",
        r"/models/[0-9a-f]+\.html", r"/models/realtime-[0-9a-f]+\.html", r"/versus/[0-9a-f]+--[0-9a-f]+\.html",
        r"/runs/run-\w+/index\.html", r"/runs/arena-\w+/index\.html", r"/runs/run-\w+/tetris-standard-1\.html",
        r"/runs/run-\w+/tetris-standard-1/data\.js", r"/runs/run-\w+/shared/part-0\.js",
        r"/runs/run-\w+/shared/words-0\.txt", "/static/site.css",
    ]  # fmt: skip
    missed = [kind for kind in kinds if not any(re.fullmatch(kind, path) for path in found)]
    assert not missed
    for path, answer in found.items():
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        kind = answer.headers["content-type"].partition(";")[0]
        extension = path.rpartition(".")[2]
        expected = {"html": "text/html", "js": "text/javascript", "webp": "image/webp", "txt": "text/plain"}
        assert kind == expected.get(extension, kind), path


async def test_hostile_names_and_answers_are_text_everywhere(app: Made):
    plain = {path: answer for path, answer in (await crawl(app("stub"))).items() if path.endswith(".html")}
    shapes = {shape for answer in plain.values() for shape in Page(answer.text).shapes}
    found = await crawl(app(HOSTILE))
    told = 0
    for path, answer in found.items():
        if not path.endswith(".html"):
            if path.endswith((".js", ".txt")) and "static" not in path:
                assert not set(answer.body) & set(b"\x00\x1b"), path
                assert path.endswith(".txt") or (answer.body.isascii() and b"<" not in answer.body)
            continue
        page = Page(answer.text)
        assert page.shapes <= shapes, path
        assert not page.comments and "49" not in page.text.partition("onerror")[2][:40], path
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\u2028]", answer.text), path
        for script in page.scripts:
            assert "src" in script or script.get("type") == "application/json", path
        assert not any(link.lower().startswith(("javascript:", "data:", "http", "//")) for link in page.links)
        told += "<script>alert(1)</script>" in page.text
    assert told > 10, "the name is shown as it is"
    assert len([path for path in found if path.endswith(".html")]) >= len(plain) - 2


def test_the_parser_sees_what_gets_through():
    assert Page(f"<p>{HOSTILE}</p>").shapes == {"p ", "script ", "img onerror src"}


async def test_no_element_is_styled_or_scripted_in_place(app: Made):
    for path, answer in (await crawl(app())).items():
        if path.endswith(".html"):
            names = {name for shape in Page(answer.text).shapes for name in shape.split(" ")[1:]}
            assert not {name for name in names if name.startswith("on") or name == "style"}, path


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/index.htm", "/index.html/", "/INDEX.html", "//index.html", "/./index.html", "/../index.html",
        "/boards/none.html", "/boards/../index.html", "/models/none.html", "/versus/a--b.html", "/versus/a.html",
        "/games/none.html", "/games/connect4-standard.webp", "/games/none.webp", "/runs/none/index.html",
        "/runs/none/x.html", "/runs/none/x/data.js", "/runs/none/x/part-0.js", "/runs/..%2f..%2fetc/passwd.html",
        "/runs-0.html", "/runs-01.html", "/runs-9999999.html", "/docs", "/openapi.json", "/redoc", "/login",
        f"/runs/{'x' * 5000}/y.html", "/<script>alert(1)</script>", "/runs/\x00/x.html", "/runs/ü/模型.html",
        "/static/none.css", "/static/../app.py", "/static/%2e%2e/app.py", "/events/none", "/a" * 500,
    ],
)  # fmt: skip
async def test_what_is_not_there(path: str, app: Made):
    answer = await ask(app(), path)
    assert answer.status == 404
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert b"<script>alert" not in answer.body
    if not path.startswith("/static"):
        assert answer.headers["content-type"].startswith("text/html") and "lmgame" in answer.text


@pytest.mark.parametrize("name", ["part-6.js", "part-99.js", "words-40.txt", "words-999999999.txt", "part-00.js", "x"])
async def test_parts_that_there_are_not(name: str, app: Made, tmp_path: Path):
    made = app()
    (folder,) = [one for one in Shelf([tmp_path]).folders() if one.path.name == "run"]
    assert (await ask(made, f"/runs/{folder.id}/tetris-standard-1/part-2.js")).status == 200
    assert (await ask(made, f"/runs/{folder.id}/tetris-standard-1/words-39.txt")).status == 200
    assert (await ask(made, f"/runs/{folder.id}/tetris-standard-1/{name}")).status == 404


async def test_the_front_page(app: Made):
    answer = await ask(app(), "/")
    assert answer.status == 307 and answer.headers["location"] == "/index.html"


async def test_a_word_for_word_answer_is_saved_not_shown(app: Made, tmp_path: Path):
    made = app(HOSTILE)
    (folder,) = [one for one in Shelf([tmp_path]).folders() if one.path.name == "run"]
    answer = await ask(made, f"/runs/{folder.id}/tetris-standard-0/words-0.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_part_as_the_player_takes_it(app: Made, tmp_path: Path, stage: FakeStage):
    made = app(HOSTILE)
    (folder,) = [one for one in Shelf([tmp_path]).folders() if one.path.name == "run"]
    base = f"/runs/{folder.id}/tetris-standard-1"

    async def arguments(name: str, call: str) -> list[Any]:
        text = (await ask(made, f"{base}/{name}")).text
        assert text.startswith(f"{call}(") and text.endswith(");\n")
        return json.loads(f"[{text[len(call) + 1 : -3]}]")

    (index,) = await arguments("data.js", "lmgame.track")
    assert index["id"] == f"{folder.id}/tetris-standard-1" and index["n"] == 40 and index["parts"] == 6
    for number, moments in enumerate((8, 8, 8, 8, 8, 1)):
        id_, at, part = await arguments(f"part-{number}.js", "lmgame.part")
        assert (id_, at, len(part["frames"]), part["unseen"]) == (index["id"], number, moments, "")
        assert len(part["raw"]) == min(8, 40 - 8 * number) and all("<script>alert(1)" in raw for raw in part["raw"][:1])
    stage.fails_at = 20
    assert (await arguments("part-2.js", "lmgame.part"))[2]["unseen"] == "", "it was drawn already"


async def test_what_can_not_be_drawn_is_still_told(app: Made, tmp_path: Path, stage: FakeStage):
    made = app()
    stage.fails_at = 20
    (folder,) = [one for one in Shelf([tmp_path]).folders() if one.path.name == "run"]
    text = (await ask(made, f"/runs/{folder.id}/tetris-standard-1/part-2.js")).text
    part = json.loads(f"[{text[12:-3]}]")[2]
    assert "leads elsewhere" in part["unseen"] and "frames" not in part and part["raw"] == ["stub"] * 8


@pytest.mark.parametrize("path", ["/index.html", "/boards/x.html", "/models/x.html", "/versus/a--b.html"])
async def test_standings_that_are_not_there_yet(path: str, app: Made):
    answer = await ask(app(clocks=()), path)
    assert answer.status == 503 and {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert (await ask(app(clocks=()), "/runs.html")).status == 200
    assert (await ask(app(clocks=()), "/games/tetris-standard.html")).status == 200


async def test_a_store_that_can_not_be_read(app: Made):
    made = app(clocks=(), failed=f"Can't open the store. {HOSTILE}")
    answer = await ask(made, "/index.html")
    assert answer.status == 500 and "Can't open the store." in Page(answer.text).text
    assert "<script>alert" not in answer.text
    assert (await ask(made, "/runs.html")).status == 200


async def test_records_with_numbers_that_are_none_are_told_as_damaged_or_shown(app: Made, tmp_path: Path):
    made = app()
    (folder,) = [one for one in Shelf([tmp_path]).folders() if one.path.name == "run"]
    odd = {
        "nan": {"score": float("nan")},
        "inf": {"score": float("inf")},
        "huge": {"score": 1e300},
        "seat": {"seat": 1},
        "far": {"seat": 99},
        "text": {"score": "5"},
        "slow": {"latency": {"total": "1.5"}},
        "infinite": {"latency": {"total": float("inf")}},
        "usage": {"usage": {"prompt_tokens": "7"}},
        "big": {"usage": {"prompt_tokens": 10**400}},
    }
    for name, fields in odd.items():
        write_record(folder.path / "episodes" / f"odd-{name}.jsonl", 2, over=False, **fields)
    assert (await ask(made, f"/runs/{folder.id}/index.html")).status == 200
    assert (await ask(made, "/runs.html")).status == 200
    for name in odd:
        answer = await ask(made, f"/runs/{folder.id}/odd-{name}.html")
        assert answer.status == (200 if name == "huge" else 500), name
        assert ("is damaged" in Page(answer.text).text) == (name != "huge"), name


async def test_the_token_is_asked_for_on_all_pages_alone(app: Made):
    made = app(token="0123456789abcdef")
    for path in ("/index.html", "/", "/runs.html", "/nothing", "/login", "/events/standings/paused", "//x//y.html"):
        answer = await ask(made, path)
        links = {urljoin(f"http://x{path}", link) for link in Page(answer.text).links}
        assert {"http://x/static/site.css", "http://x/static/theme.js"} <= links, "it is styled wherever it stands"
        assert (
            answer.status == 401
            and "<form" in answer.text
            and {"password"} <= set(re.findall(r'type="(\w+)"', answer.text))
        )
    assert (await ask(made, "/static/site.css")).status == 200
    assert (await ask(made, "/index.html", authorization="Bearer 0123456789abcdef")).status == 200
    assert (await ask(made, "/login", authorization="Bearer 0123456789abcdef")).status == 404


async def test_the_keeper_runs_as_long_as_the_server(app: Made, stage: FakeStage, tmp_path: Path):
    keeper = FakeKeeper({})
    site = Site(Shelf([tmp_path]), stage, keeper.ledger, live=True)
    made = create_app(site, keeper)  # type: ignore[arg-type]
    told: asyncio.Queue[Any] = asyncio.Queue()
    orders: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.ensure_future(made({"type": "lifespan", "asgi": {"version": "3.0"}}, orders.get, told.put))
    await orders.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete" and keeper.running
    await orders.put({"type": "lifespan.shutdown"})
    assert (await told.get())["type"] == "lifespan.shutdown.complete" and not keeper.running
    await task
