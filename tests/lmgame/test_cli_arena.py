"""`lmgame match` and `lmgame arena` from the command line."""

import asyncio
import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lmgame.arenas.play import play_arena
from lmgame.arenas.request import arena_request
from lmgame.cli import app
from lmgame.cli.arena import prices_of
from lmgame.cli.arena_display import LiveArenaDisplay, PlainArenaDisplay, arena_display
from lmgame_common import UsageError
from lmgame_serving.testing import Reply, StubServer

from .conftest import Command

LIMITS = ("--max-decisions", "5", "--pairs", "2")


@pytest.fixture
def lmgame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs `lmgame …` in this process and an empty folder; what it said on standard output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> str:
        found = CliRunner().invoke(app, arguments)
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == code, (found.stdout, found.stderr)
        return found.stdout

    return run


def test_a_match_tells_who_is_better_and_how_to_see_it(lmgame: Callable[..., str], tmp_path: Path):
    told = lmgame("match", "-m", "random", "-m", "scripted", "-g", "connect4", "--pairs", "3", "--out", "here")
    assert "scripted" in told and "**connect4/standard**" in told and told.count("| Rank |") == 1
    assert "connect4/standard: random – scripted: " in told and "over 3 pairs, 0 won" in told
    assert "arena folder: here" in told
    (command,) = [line.partition(": ")[2] for line in told.splitlines() if line.startswith("a match of connect4")]
    program, name, record, *_ = command.split()
    assert (program, name) == ("lmgame", "replay") and (tmp_path / record).exists()


def test_json_is_one_document(lmgame: Callable[..., str]):
    told = json.loads(lmgame("match", "-m", "random", "-m", "scripted", *LIMITS, "--json"))
    assert told["complete"] and len(told["games"]) == 4
    assert told["comparisons"][0]["n"] == 2 and told["comparisons"][0]["losses"] == 2
    assert {player["model"] for player in told["arena"]["players"]} == {"random", "scripted"}
    rows = {row["model"]: row for row in told["standings"]["rows"]}
    assert rows["random"]["rating"] == 0 and rows["random"]["losses"] == 2 and rows["scripted"]["wins"] == 2
    assert list(told["standings_by_game"]) == ["tetris/standard"]


def test_a_match_is_part_of_the_arena_of_the_same_games(lmgame: Callable[..., str]):
    lmgame("match", "-m", "random", "-m", "scripted", *LIMITS)
    dry = json.loads(lmgame("arena", "-m", "random", "-m", "scripted", *LIMITS, "--mirror", "--dry-run", "--json"))
    assert dry["needs"]["already_played"] == 4 and dry["needs"]["to_play"] == len(dry["games"]) == 4
    assert dry["needs"]["players"] == ["random", "scripted", "random (copy)", "scripted (copy)"]
    lmgame("arena", "-m", "random", "-m", "scripted", *LIMITS, "--mirror")
    assert len(list(Path(dry["needs"]["folder"], "games").iterdir())) == 8


def test_a_dry_run_writes_nothing(lmgame: Callable[..., str], tmp_path: Path):
    told = lmgame("match", "-m", "openai/some-model", "-m", "random", "-g", "tic-tac-toe", "--dry-run", "--pairs", "2")
    assert "some-model" in told and "to play: 4" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("match", "-m", "random"), "two"),
        (("match", "-m", "random", "-m", "scripted", "--mirror"), "one, for --mirror"),
        (("arena", "-m", "random"), "Two models"),
        (("arena", "-m", "random", "-m", "human"), "alone"),
        (("arena", "-m", "random", "-m", "scripted", "--budget", "games"), "--budget"),
        (("arena", "-m", "random", "-m", "scripted", "--budget", "tokens=inf"), "finite and greater than zero"),
        (("match", "-m", "random", "-m", "scripted", "--price", "cheap"), "--price"),
        (("match", "-m", "random", "-m", "scripted", "-g", "connect4", "--clock", "realtime"), "clock"),
        (("match", "-m", "random", "-m", "scripted", "-g", "conect4"), "connect4"),
    ],
)
def test_what_makes_no_sense_is_refused(lmgame: Callable[..., str], arguments: tuple[str, ...], complaint: str):
    with pytest.raises(UsageError, match=complaint):
        lmgame(*arguments)


def test_prices_of_all_and_of_one():
    assert prices_of(["0.1,0.2", "a=1,2"]) == ((0.1, 0.2), {"a": (1.0, 2.0)})
    assert prices_of([]) == (None, {})


async def test_a_dead_server_leaves_with_3_and_an_interrupt_with_130(command: Command, tmp_path: Path):
    async with StubServer(Reply('{"moves": ["left"]}', delay=0.05)) as server:
        gone = server.base_url.replace(str(server.port), "1")
        options = ("--pairs", "1", "--max-decisions", "3", "--max-retries", "0", "--out", "here")
        dead = command("arena", "-m", "random", "-m", "scripted", "-m", f"{gone}#stub", *options)
        out, err = await asyncio.to_thread(dead.communicate, timeout=60)
        assert dead.returncode == 3, (out, err)
        assert "stub" in err and "To go on: lmgame arena" in err and "Traceback" not in err
        assert "| scripted" in out

        process = command("match", "-m", f"{server.base_url}#stub", "-m", "random", "--out", "there")
        games = tmp_path / "there" / "games"
        while sum(path.read_bytes().count(b"\n") for path in games.glob("*.jsonl")) < 6:
            assert process.poll() is None, process.communicate()
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 130
    assert "To go on: lmgame match" in err and "Traceback" not in err


class Draws(LiveArenaDisplay):
    """Keeps what was last drawn while a game was played."""

    def moved(self, entry) -> None:
        super().moved(entry)
        if entry.state.status == "playing" and entry.state.decisions > 3:
            self._live.refresh()


def screen(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, height=50, force_terminal=terminal, color_system="truecolor")


async def test_no_terminal_gets_plain_lines(tmp_path: Path):
    console = screen(terminal=False)
    request = arena_request(("random", "scripted"), ("tic-tac-toe",), pairs=1, settings={"out": tmp_path / "a"})
    with arena_display(console) as watcher:
        assert isinstance(watcher, PlainArenaDisplay)
        await play_arena(request, watcher)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert f"arena folder: {tmp_path / 'a'}" in told
    assert "tic-tac-toe #0, random – scripted: done (" in told and "tic-tac-toe #0, scripted – random: done (" in told


async def test_a_terminal_gets_standings_games_and_boards(tmp_path: Path):
    console = screen(terminal=True)
    request = arena_request(
        ("random", "scripted"), ("tetris", "connect4"), pairs=1, settings={"out": tmp_path / "a", "max_decisions": 9}
    )
    with Draws(console) as watcher:
        await play_arena(request, watcher)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert "standing" in told and "100 %" in told and "connect4 #0" in told and "▀" in told
    assert ("random – scripted" in told and "4 games" in told) or "/4 games" in told
