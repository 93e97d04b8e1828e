"""Live progress of an arena: standings, games in play with both scores, boards; plain lines elsewhere."""

import time
from pathlib import Path

import numpy as np
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lmgame.arenas.board import Board, Entry, Tally
from lmgame.cli.display import SCREEN_ROWS, Lines, Screen, Thumbnail, duration
from lmgame.match_state import MatchState
from lmgame_common import printable
from lmgame_games import frame_of
from lmgame_games.shared import AGENTS

STANDINGS = 12
"""Most players in the table of standings."""


def players_of(entry: Entry) -> str:
    """Who plays."""
    return printable(" – ".join(player.name for player in entry.fixture.players))


def title_of(entry: Entry) -> str:
    """Game and seed."""
    return f"{entry.fixture.card.game} #{entry.fixture.seed}"


def score_of(entry: Entry) -> str:
    """The score, or both seats'."""
    state = entry.state
    if isinstance(state, MatchState):
        return " : ".join(f"{score:,.6g}" for score in state.scores)
    return f"{state.score:,.6g}"


def heading_of(entry: Entry) -> str:
    """Game, seed, players and scores in short, for above a board."""
    names = [printable(player.name)[:16] for player in entry.fixture.players]
    score = score_of(entry)
    told = f"{names[0]} {score} {names[1]}" if len(names) == 2 else f"{names[0]} {score}"
    return f"{title_of(entry)} · {told}"


def last_fault_of(entry: Entry) -> str:
    """The last infrastructure fault of any seat; empty if there was none."""
    state = entry.state
    if isinstance(state, MatchState):
        return next((f"{seat.name}: {seat.last_fault}" for seat in state.seats if seat.last_fault), "")
    return state.last_fault


def ranked(board: Board) -> list[tuple[str, Tally, int]]:
    """Each player's name, tally and tokens, the highest share of points first."""
    tokens = dict.fromkeys(board.players, 0)
    for entry in list(board.entries.values()):
        state = entry.state
        seats = [seat.tokens for seat in state.seats] if isinstance(state, MatchState) else [state.tokens]
        for player, spent in zip(entry.fixture.players, seats, strict=True):
            tokens[player.key] += spent
    rows = [(player.name, board.tallies[key], tokens[key]) for key, player in board.players.items()]
    return sorted(rows, key=lambda row: -1.0 if row[1].share is None else row[1].share, reverse=True)


def percent(tally: Tally) -> str:
    """The share of points."""
    return "–" if tally.share is None else f"{100 * tally.share:.0f} %"


class _Arena:
    """What both displays know: the board, and how fast it fills."""

    def __init__(self) -> None:
        self.board: Board | None = None
        self._began = time.monotonic()
        self._done_before = 0

    def _begin(self, board: Board) -> None:
        self.board, self._began, self._done_before = board, time.monotonic(), board.done

    def _overall(self) -> str:
        assert self.board is not None
        entries = list(self.board.entries.values())  # which may grow while it is drawn
        done, total = self.board.done, len(entries)
        decisions = sum(entry.state.decisions for entry in entries)
        tokens = sum(entry.state.tokens for entry in entries)
        elapsed = time.monotonic() - self._began
        parts = [f"{done}/{total} games", f"{decisions:,} decisions", f"{tokens:,} tokens", duration(elapsed)]
        if faults := sum(entry.state.faults for entry in entries):
            parts.append(f"{faults} infrastructure faults")
        new = done - self._done_before
        if new and done < total:
            parts.append(f"about {duration(elapsed / new * (total - done))} left")
        return " · ".join(parts)


class PlainArenaDisplay(Lines, _Arena):
    """One line when a game ends, is put off or meets a fault, and a line on the standings now and then."""

    def __init__(self, console: Console) -> None:
        _Arena.__init__(self)
        Lines.__init__(self, console)
        self._seen: dict[str, tuple[str, int]] = {}
        self._last = time.monotonic()

    def began(self, folder: Path, board: Board) -> None:
        self.folder = folder
        self._begin(board)
        self._line(f"arena folder: {folder}")

    def moved(self, entry: Entry) -> None:
        state, name = entry.state, entry.fixture.id
        status, faults = self._seen.get(name, ("waiting", 0))
        if state.status != status and state.status != "playing":
            ending = f" ({state.outcome})" if state.outcome else ""
            self._line(f"{title_of(entry)}, {players_of(entry)}: {state.status}{ending}: {score_of(entry)}")
        if state.faults > faults:
            told = last_fault_of(entry)
            self._line(f"{title_of(entry)}, {players_of(entry)}: infrastructure fault {state.faults}: {told}")
        self._seen[name] = (state.status, state.faults)
        if time.monotonic() - self._last > self.EVERY and self.board is not None:
            self._last = time.monotonic()
            standings = ", ".join(f"{name} {percent(tally)}" for name, tally, _ in ranked(self.board)[:STANDINGS])
            self._line(f"{self._overall()} | {standings}")


class LiveArenaDisplay(Screen, _Arena):
    """Standings so far, the games in play, boards of the first few, overall progress and time left."""

    def __init__(self, console: Console) -> None:
        _Arena.__init__(self)
        self._playing: dict[str, Entry] = {}
        self._pictures: dict[str, Thumbnail] = {}
        self._looked: dict[str, int] = {}
        """Quarter second in which a game was last considered for a picture."""
        Screen.__init__(self, console)

    def began(self, folder: Path, board: Board) -> None:
        self.folder = folder
        self._begin(board)
        self._note = str(folder)

    def moved(self, entry: Entry) -> None:
        # Drawing happens here, on the arena's own loop, because the refreshing thread must not touch a game that may
        # be stepping.
        name, now = entry.fixture.id, int(time.monotonic() * 4)
        if entry.state.status == "playing":
            self._playing[name] = entry
        else:
            self._playing.pop(name, None)
            self._pictures.pop(name, None)
        if self._looked.get(name) == now or self.board is None:
            return  # four times a second at most, so that a decision's cost doesn't grow with the arena
        self._looked[name] = now
        if told := last_fault_of(entry):
            self._note = printable(f"{title_of(entry)}: {told}")
        if name in self._shown() and (frame := self._frame(entry)) is not None:
            self._pictures[name] = Thumbnail(frame, self._rows())

    @staticmethod
    def _frame(entry: Entry) -> np.ndarray | None:
        """The board; of a game that two share as the first seat sees it."""
        state = entry.state
        if isinstance(state, MatchState):
            return None if state.game is None else state.game.frame(AGENTS[0])
        return None if state.env is None else frame_of(state.env)

    def _rows(self) -> int:
        return max(8, min(SCREEN_ROWS, self.console.height - 16 - min(STANDINGS, len(self._players()))))

    def _players(self) -> list[str]:
        return [] if self.board is None else list(self.board.players)

    def _shown(self) -> list[str]:
        """Ids of the games whose boards are drawn."""
        return list(self._playing)[: max(1, self.console.width // 52)]

    def _render(self) -> RenderableType:
        board = self.board
        if board is None:
            return self._opening()
        boards = [(self._playing.get(name), self._pictures.get(name)) for name in self._shown()]
        screens = [
            Panel(picture, title=Text(heading_of(entry)), expand=False)
            for entry, picture in boards
            if entry and picture
        ]
        bar = ProgressBar(total=max(1, len(board.entries)), completed=board.done, width=40)
        standings, games = self._standings(board), self._games(board)
        note = Text(self._note, style="dim", no_wrap=True, overflow="ellipsis")
        return Group(Columns(screens), standings, Text(), games, bar, Text(f" {self._overall()}"), note)

    def _standings(self, board: Board) -> Table:
        table = Table("standing", "points", "won", "drawn", "lost", "tokens", box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        rows = ranked(board)
        for name, tally, tokens in rows[:STANDINGS]:
            counts = (str(tally.wins), str(tally.draws), str(tally.losses), f"{tokens:,}")
            table.add_row(Text(printable(name), overflow="ellipsis"), percent(tally), *counts)
        if len(rows) > STANDINGS:
            table.add_row(f"… and {len(rows) - STANDINGS} more")
        return table

    def _games(self, board: Board) -> Table:
        table = Table("game", "players", "score", "decisions", "last answer", "faults", box=None, pad_edge=False)
        for column in table.columns[2:]:
            column.justify = "right"
        playing = list(self._playing.values())
        room = max(3, self.console.height - self._rows() - 10 - min(STANDINGS, len(board.players)))
        for entry in playing[:room]:
            state = entry.state
            table.add_row(
                title_of(entry),
                Text(players_of(entry), overflow="ellipsis"),
                score_of(entry),
                f"{state.decisions:,}",
                latency_of(entry),
                str(state.faults or ""),
            )
        if len(playing) > room:
            table.add_row(f"… and {len(playing) - room} more")
        return table


def latency_of(entry: Entry) -> str:
    """How long the last answer took, of each seat."""
    state = entry.state
    latencies = [seat.latency for seat in state.seats] if isinstance(state, MatchState) else [state.latency]
    return " / ".join("–" if latency is None else f"{latency:.2f} s" for latency in latencies)


def arena_display(console: Console) -> PlainArenaDisplay | LiveArenaDisplay:
    """The display that suits the console."""
    live = console.is_terminal and not console.is_dumb_terminal
    return LiveArenaDisplay(console) if live else PlainArenaDisplay(console)
