"""Records, folders and a stage for tests of the pages, which need no games; and a browser of a few lines."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
from starlette.types import ASGIApp, Message

from lmgame_common import RecordError
from lmgame_leaderboards import (
    ArenaFolder,
    ArenaRecord,
    ArenaRequestRecord,
    EpisodeLog,
    EpisodeWriter,
    GameRequest,
    PlayerRecord,
    RunFolder,
    Versions,
)
from lmgame_leaderboards.web import GameSheet, Scene
from tests.leaderboards.conftest import make_decision, make_header, make_run

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\n\ndata: x\nevent: y\r\nid: 9\u2028\u202e\x00\x1b[2J"
    "{{ 7*7 }}--><!--"
)
"""What a model may answer, or call itself."""
VERSIONS = Versions(lmgame="1", python="3.13")


def line(type_: str, **fields: Any) -> bytes:
    """A whole line of a record."""
    return json.dumps({"type": type_, **fields}).encode() + b"\n"


def header_line(**changed: Any) -> bytes:
    return line("header", **({"schema_version": 1} | make_header(**changed)))


def decision_line(index: int, score: Any = 0.0, **changed: Any) -> bytes:
    return line("decision", **make_decision(index, score, **changed))


def outcome_line(score: float = 0.0, decisions: int = 0, **changed: Any) -> bytes:
    return line("outcome", **({"outcome": "topped_out", "score": score, "decisions": decisions, "time": 9.0} | changed))


def seats_of(*players: PlayerRecord) -> list[dict[str, Any]]:
    return [{"player": player.model_dump(mode="json"), "observation": "text"} for player in players]


def append(path: Path, *lines: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(lines))


def write_record(path: Path, decisions: int, *, over: bool = True, header: Any = None, **changed: Any) -> Path:
    """A record in which each decision is worth 1."""
    scores = {} if len((header or {}).get("seats", ())) < 2 else {"scores": [1.0, 0.0]}
    append(
        path,
        header_line(**(header or {})),
        *(decision_line(i, **({"score": i + 1.0} | changed)) for i in range(decisions)),
    )
    if over:
        append(path, outcome_line(float(decisions), decisions, **scores))
    return path


def write_run(path: Path, lengths: Sequence[int] = (3, 40), *, model: str = "stub", **changed: Any) -> Path:
    """A run in which seed `i` has taken `lengths[i]` decisions; of a third seed nothing is there yet."""
    asked = {"model": model, "seeds": list(range(len(lengths) + 1))}
    with RunFolder.open(path, make_run(asked)) as folder:
        for seed, length in enumerate(lengths):
            header = make_header(seed, model=model)
            write_record(folder.episode_path(header["episode"]), length, header=header, **changed)
    return path


def write_arena(path: Path, models: Sequence[str] = ("a", "b"), seeds: int = 2) -> Path:
    """An arena of connect4: each pair in both seats on each seed; who sits first wins."""
    players = [PlayerRecord(model=model) for model in models]
    request = ArenaRequestRecord(games=[GameRequest(game="connect4", preset="standard", version=1)])
    with ArenaFolder.open(path, ArenaRecord.begin(request, players, VERSIONS)):
        pass
    pairs = [(one, other) for one in players for other in players if one is not other]
    for seed in range(seeds):
        for one, other in pairs:
            name = f"connect4-standard-{seed}-{one.key[:8]}-{other.key[:8]}"
            changed = {"episode": name, "game": "connect4", "seats": seats_of(one, other)}
            header = make_header(seed, max_decisions=20, versions=VERSIONS.model_dump(), **changed)
            with EpisodeWriter.open(path / "games" / f"{name}.jsonl", header) as writer:
                for index in range(4):
                    writer.decision(**make_decision(index, float(index == 2), seat=index % 2))
                writer.outcome(outcome="four in a row", score=1.0, scores=[1.0, 0.0], decisions=4, time=5.0)
    return path


@dataclass
class FakeReplay:
    """A game that is its own count of decisions. Fails the test where it is used in a way that no game would bear."""

    stage: "FakeStage"
    at: int = 0
    ended: bool = False
    closed: bool = False
    _busy: Lock = field(default_factory=Lock)

    def _used(self) -> Any:
        if self.closed:
            self.stage.misuses.append("used after it was closed")
        if self.ended:
            self.stage.misuses.append("used after its end")
        return self

    def __enter__(self) -> None:
        if not self._busy.acquire(blocking=False):
            self.stage.misuses.append("used by two threads at once")

    def __exit__(self, *_: object) -> None:
        if self._busy.locked():
            self._busy.release()

    def ask(self, decision: Mapping[str, Any]) -> None:
        with self._used():
            if decision["index"] != self.at:
                self.stage.misuses.append(f"decision {decision['index']} where {self.at} was due")

    def scene(self, decision: Mapping[str, Any]) -> Scene:
        self.ask(decision)
        self.stage.drawn.append(self.at)
        self.stage.drawing.set()
        self.stage.gate.wait(10)
        return self._scene()

    def play(self, decision: Mapping[str, Any]) -> None:
        with self._used():
            if self.at == self.stage.fails_at:
                raise self.stage.failure
            self.at += 1

    def end(self, outcome: Mapping[str, Any]) -> None:
        with self._used():
            if outcome["decisions"] != self.at:
                self.stage.misuses.append(f"ended after {self.at} of {outcome['decisions']}")
        self.ended = True

    def now(self) -> Scene:
        if self.closed:
            self.stage.misuses.append("looked at after it was closed")
        self.stage.drawing.set()
        self.stage.gate.wait(10)
        return self._scene()

    def _scene(self) -> Scene:
        # Two moments in a row look alike, so that frames may be left out.
        shade = self.at // 2
        frame = np.full((4, 6, 3), (shade % 256, shade // 256, 200 if self.ended else 0), np.uint8)
        return Scene(frame, f"after {self.at}{', over' if self.ended else ''}", self.at / 2)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeStage:
    """Games that are told apart by their names alone."""

    slow: bool = False
    fails_at: int = -1
    failure: Exception = field(default_factory=lambda: RecordError("It leads elsewhere."))
    gate: Event = field(default_factory=Event)
    """Frames are drawn while it is set."""
    drawing: Event = field(default_factory=Event)
    """Set as soon as a frame is drawn."""
    drawn: list[int] = field(default_factory=list)
    """Moments with a decision that were drawn, in that order."""
    replays: list[FakeReplay] = field(default_factory=list)
    misuses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def is_slow(self, log: EpisodeLog) -> bool:
        return self.slow

    def sheets(self) -> Sequence[GameSheet]:
        return [
            GameSheet(
                game=game,
                preset="standard",
                version=1,
                title=game.title(),
                prompt='Play <b>well</b> & "fast".',
                controls=[("left", "one to the left")],
                facts=[("Score", "points")],
                score="points",
                seats=1 if game == "tetris" else 2,
                max_decisions=100,
                commands=[("Play it", f"lmgame play --game {game}")],
            )
            for game in ("tetris", "connect4")
        ]

    def poster(self, game: str, preset: str) -> Any:
        return np.zeros((4, 6, 3), np.uint8) if game == "tetris" else None

    def replay(self, log: EpisodeLog, path: Path) -> FakeReplay:
        self.replays.append(FakeReplay(self))
        return self.replays[-1]


@dataclass
class Answer:
    """What a server has answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    app: ASGIApp,
    path: str,
    *,
    method: str = "GET",
    host: str | None = "localhost:7860",
    body: Sequence[bytes] = (b"",),
    query: str = "",
    **headers: str,
) -> Answer:
    """One request, as it comes from the network: nothing is tidied up on the way. Underscores in names of headers
    become hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if host is not None:
        given["host"] = host
    chunks = list(body)
    told: list[Message] = []

    async def receive() -> Message:
        chunk = chunks.pop(0) if chunks else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 7860),
    }
    await app(scope, receive, send)
    start = told[0]
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in told[1:]))


class Stream:
    """A visitor who listens to events: `async with`, then `next()`."""

    def __init__(self, app: ASGIApp, path: str, query: str = "", **headers: str) -> None:
        self._app, self._rest = app, ""
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = asyncio.Event()
        given = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1234),
            "server": ("127.0.0.1", 7860),
        }

    async def __aenter__(self) -> "Stream":
        self._task = asyncio.create_task(self._run())
        self.start = await self._message()
        self.headers = {name.decode(): value.decode() for name, value in self.start["headers"]}
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.set()
        async with asyncio.timeout(10):
            await self._task

    async def _run(self) -> None:
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        await self._app(self._scope, receive, self._told.put)

    async def _message(self) -> Message:
        async with asyncio.timeout(10):
            return await self._told.get()

    async def block(self) -> str | None:
        """What comes up to the next empty line; None at the end."""
        while "\n\n" not in self._rest:
            message = await self._message()
            self._rest += message.get("body", b"").decode().replace("\r\n", "\n")
            if not message.get("more_body") and "\n\n" not in self._rest:
                return None
        block, _, self._rest = self._rest.partition("\n\n")
        return block

    async def next(self, *, heartbeats: bool = False) -> dict[str, str] | None:
        """The next event, each field of it once; a comment stands under an empty name. None at the end."""
        while (block := await self.block()) is not None:
            fields: dict[str, str] = {}
            for one in block.split("\n"):
                name, _, value = one.partition(":")
                assert name not in fields, f"{name} stands twice in {block!r}"
                fields[name] = value.removeprefix(" ")
            if heartbeats or set(fields) != {""}:
                return fields
        return None
