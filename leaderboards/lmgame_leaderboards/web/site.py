"""The site: from the address of a page to its content, on a server and in an export alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmgame_common import LmgameError, RecordError
from lmgame_leaderboards.stills import picture
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.folders import Folder, Shelf
from lmgame_leaderboards.web.ledger import CLOCKS, JOINT, Ledger
from lmgame_leaderboards.web.pages.board import board_page
from lmgame_leaderboards.web.pages.game import game_page, games_page
from lmgame_leaderboards.web.pages.model import model_page, versus_page
from lmgame_leaderboards.web.pages.player import match_page, problem_page, record_page
from lmgame_leaderboards.web.pages.runs import folder_page, runs_page
from lmgame_leaderboards.web.projection import PART, Projector
from lmgame_leaderboards.web.render import Pages
from lmgame_leaderboards.web.stage import GameSheet, Stage
from lmgame_leaderboards.web.sums import Sums
from lmgame_leaderboards.web.track import index_document, script, whole_words, words_document

HTML, JAVASCRIPT, TEXT, WEBP = "text/html", "text/javascript", "text/plain", "image/webp"

BOARDS = 32
"""Most pages of boards that are kept; one of 500 players takes a megabyte."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is at an address."""

    body: bytes
    kind: str = HTML
    status: int = 200


class NotThereError(LmgameError):
    """Raised when nothing is at an address."""


Ledgers = Callable[[str], Ledger | None]


class Site:
    """Makes the pages. May be used by several threads at once.

    Args:
        shelf: The folders that are shown.
        stage: Knows the games.
        ledgers: The newest ledger of a clock, or None where there is none yet.
        live: Whether a server stands behind the pages.
        workers: Threads that draw frames.
    """

    def __init__(self, shelf: Shelf, stage: Stage, ledgers: Ledgers, *, live: bool, workers: int = 2) -> None:
        self.shelf, self.stage, self.live = shelf, stage, live
        self.pages, self.sums = Pages(live=live), Sums()
        self.pairs: set[str] | None = None
        """Addresses of the pages of two models that there are; None: all."""
        self._ledgers = ledgers
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="draw")
        self.projector = Projector(stage, self.pool)
        self._sheets: list[GameSheet] | None = None
        self._boards: dict[str, tuple[Ledger, tuple[str, list[str], str], Content]] = {}
        self._shelved: dict[str, Ledger] = {}
        """Ledgers whose games' folders are on the shelf."""
        self._routes: list[tuple[re.Pattern[str], Callable[..., Content]]] = [
            (re.compile(pattern), handler)
            for pattern, handler in (
                (r"index\.html", lambda: self._board("paused", None)),
                (r"boards/realtime\.html", lambda: self._board("realtime", JOINT)),
                (r"boards/(realtime-)?([a-z0-9.-]+)\.html", self._board_of),
                (r"models/(realtime-)?([A-Za-z0-9-]+)\.html", self._model),
                (r"versus/(realtime-)?([A-Za-z0-9-]+?)--([A-Za-z0-9-]+)\.html", self._versus),
                (r"games\.html", self._games),
                (r"games/([a-z0-9.-]+)\.html", self._game),
                (r"games/([a-z0-9.-]+)\.webp", self._poster),
                (r"runs(?:-([1-9][0-9]{0,5}))?\.html", self._runs),
                (r"runs/([^/]+)/index(?:-([1-9][0-9]{0,5}))?\.html", self._folder),
                (r"runs/([^/]+)/([^/]+)/data\.js", self._data),
                (r"runs/([^/]+)/([^/]+)/part-(0|[1-9][0-9]{0,6})\.js", self._part),
                (r"runs/([^/]+)/([^/]+)/words-(0|[1-9][0-9]{0,8})\.txt", self._words),
                (r"runs/([^/]+)/([^/]+)\.html", self._record),
                (r"match\.html", lambda: self._page("match.html", "match.html", match_page())),
            )
        ]

    def close(self) -> None:
        """Let go of all games."""
        self.projector.close()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def get(self, address: str) -> Content:
        """What is at an address.

        Raises:
            NotThereError: If nothing is.
            LmgameError: If it can't be shown, such as a damaged record.
        """
        for pattern, handler in self._routes:
            if found := pattern.fullmatch(address):
                return handler(*found.groups())
        raise NotThereError("There is no such page.")

    def problem(self, address: str, title: str, text: str, hint: str = "", status: int = 404) -> Content:
        """A page that says what is wrong."""
        return self._page("problem.html", address, problem_page(title, text, hint), status)

    def sheets(self) -> list[GameSheet]:
        """All games, asked for once."""
        if self._sheets is None:
            self._sheets = list(self.stage.sheets())
        return self._sheets

    def warm(self) -> None:
        """Draw the pictures of all games, which are kept by the stage: nobody has to wait for them then."""
        for sheet in self.sheets():
            self._has_poster(sheet.name)

    def warm_boards(self, clock: str) -> None:
        """Make the boards of a new ledger before anybody asks for them; as many as are kept."""
        if ledger := self.ledger(clock):
            for label in list(ledger.boards)[: BOARDS // 2]:
                with suppress(LmgameError):
                    self.get(addresses.board(clock, label))

    def ledger(self, clock: str) -> Ledger | None:
        """The newest ledger of a clock."""
        found = self._ledgers(clock)
        if found is not None and self._shelved.get(clock) is not found:
            self.shelf.take(found.games.places())
            self._shelved[clock] = found
        return found

    def _shelve(self) -> None:
        """See to it that the folders of all ledgers' games are on the shelf."""
        for clock in CLOCKS:
            self.ledger(clock)

    def clocks(self) -> list[str]:
        """Clocks of which there are games."""
        return [clock for clock in CLOCKS if (found := self.ledger(clock)) and found.games]

    def _there(self, address: str) -> bool:
        return self.pairs is None or address in self.pairs

    def _page(self, template: str, address: str, context: Mapping[str, Any], status: int = 200) -> Content:
        return Content(self.pages.page(template, address, context), status=status)

    def _known(self, clock: str) -> Ledger:
        if (found := self.ledger(clock)) is None:
            raise NotThereError("The standings are still being worked out. Come back in a moment.")
        return found

    def _board(self, clock: str, label: str | None) -> Content:
        ledger = self._known(clock)
        label = ledger.first_board if label is None else label
        if label == JOINT and JOINT not in ledger.boards:
            label = ledger.first_board
        here = addresses.board(clock, JOINT if label == ledger.first_board else label)
        if label not in ledger.boards and clock != "paused":
            raise NotThereError("No games of the real-time clock are in the results store.")
        return self._board_at(here, ledger, label)

    def _board_of(self, realtime: str | None, name: str) -> Content:
        clock = "realtime" if realtime else "paused"
        label = addresses.by_slug(self._known(clock).conditions).get(name)
        if label is None:
            raise NotThereError("No such games are in the results store.")
        return self._board_at(addresses.board(clock, label), self._known(clock), label)

    def _board_at(self, address: str, ledger: Ledger, label: str) -> Content:
        """A board's page, kept while nothing in it changes: a tenth of a second of work where it has 500 rows."""
        clocks = self.clocks()
        state = label, clocks, self.pages.footer
        if (kept := self._boards.get(address)) and kept[0] is ledger and kept[1] == state:
            return kept[2]
        made = self._page("board.html", address, board_page(ledger, label, clocks, self.sheets(), self._there))
        if len(self._boards) >= BOARDS:
            self._boards.clear()
        self._boards[address] = ledger, state, made
        return made

    def _player(self, ledger: Ledger, name: str) -> str:
        if (found := addresses.players_by_slug(ledger).get(name)) is None:
            raise NotThereError("No such model is in the results store.")
        return found

    def _model(self, realtime: str | None, name: str) -> Content:
        ledger = self._known("realtime" if realtime else "paused")
        player = self._player(ledger, name)
        address = addresses.model(ledger.clock, player)
        return self._page("model.html", address, model_page(ledger, player, self.shelf, self._there))

    def _versus(self, realtime: str | None, one: str, other: str) -> Content:
        ledger = self._known("realtime" if realtime else "paused")
        player, opponent = self._player(ledger, one), self._player(ledger, other)
        address = addresses.versus(ledger.clock, player, opponent)
        return self._page("versus.html", address, versus_page(ledger, player, opponent, self.shelf, self.sheets()))

    def _games(self) -> Content:
        posters = {sheet.name: f"games/{addresses.slug(sheet.name)}.webp" for sheet in self.sheets()}
        posters = {name: address for name, address in posters.items() if self._has_poster(name)}
        return self._page("games.html", "games.html", games_page(self.sheets(), self.ledger("paused"), posters))

    def _has_poster(self, name: str) -> bool:
        return self.stage.poster(*name.split("/", 1)) is not None

    def _sheet(self, name: str) -> GameSheet:
        found = {addresses.slug(sheet.name): sheet for sheet in self.sheets()}.get(name)
        if found is None:
            raise NotThereError("There is no such game.")
        return found

    def _game(self, name: str) -> Content:
        sheet = self._sheet(name)
        poster = f"games/{name}.webp" if self._has_poster(sheet.name) else None
        context = game_page(sheet, self.ledger("paused"), self.shelf, poster)
        return self._page("game.html", addresses.game(sheet.name), context)

    def _poster(self, name: str) -> Content:
        frame = self.stage.poster(*self._sheet(name).name.split("/", 1))
        if frame is None:
            raise NotThereError("This game can't be drawn here.")
        return Content(picture(frame), WEBP)

    def _runs(self, page: str | None) -> Content:
        number = int(page or 1)
        self._shelve()
        return self._page("runs.html", addresses.runs(number), runs_page(self.shelf, number))

    def folder(self, id_: str) -> Folder:
        """The folder of that id. Raises NotThereError if there is none."""
        self._shelve()
        if (found := self.shelf.folder(id_)) is None:
            raise NotThereError("There is no such run. It may have been moved or deleted.")
        return found

    def record(self, folder: str, record: str) -> tuple[Folder, Path]:
        """A record by ids. Raises NotThereError if there is none."""
        self._shelve()
        if (found := self.shelf.record(folder, record)) is None:
            raise NotThereError("There is no such record. It may have been moved or deleted.")
        return found

    def _folder(self, id_: str, page: str | None) -> Content:
        number, folder = int(page or 1), self.folder(id_)
        return self._page(
            "folder.html", addresses.folder(id_, number), folder_page(folder, self.sums, number, self.sheets())
        )

    def _record(self, folder_id: str, record_id: str) -> Content:
        folder, path = self.record(folder_id, record_id)
        projection = self.projector.of(path)
        context = record_page(folder, projection.log, record_id, self.sums)
        if self.live:
            projection.sweep()
        return self._page("record.html", addresses.record(folder_id, record_id), context)

    def _data(self, folder_id: str, record_id: str) -> Content:
        _, path = self.record(folder_id, record_id)
        document = index_document(self.projector.of(path).log, f"{folder_id}/{record_id}")
        return Content(script("lmgame.track", document), JAVASCRIPT)

    def _part(self, folder_id: str, record_id: str, number: str) -> Content:
        _, path = self.record(folder_id, record_id)
        return Content(self.part(path, f"{folder_id}/{record_id}", int(number)), JAVASCRIPT)

    def part(self, path: Path, id_: str, number: int) -> bytes:
        """A part of a record, as the player takes it.

        Args:
            path: The record.
            id_: What the record is called in addresses.
            number: The part's.
        """
        projection = self.projector.of(path)
        if number * PART > len(projection.log.decisions):
            raise NotThereError("The record isn't that long.")
        drawn = projection.part(number)
        problem = projection.problem if drawn is None else ""
        if drawn is None and not problem:
            raise RecordError("Drawing this part takes too long. Reload the page to try again.")
        words = words_document(projection.log, number)
        return script("lmgame.part", id_, number, {**words, **(drawn or {}), "unseen": problem})

    def _words(self, folder_id: str, record_id: str, index: str) -> Content:
        _, path = self.record(folder_id, record_id)
        try:
            return Content(whole_words(self.projector.of(path).log, int(index)).encode(), TEXT)
        except IndexError:
            raise NotThereError("There is no such decision.") from None


def order(sheets: Sequence[GameSheet]) -> list[dict[str, Any]]:
    """What a ledger is told of games."""
    return [
        {
            "game": sheet.game,
            "preset": sheet.preset,
            "version": sheet.version,
            "max_decisions": sheet.max_decisions,
            "baselines": {player: score.model_dump(mode="json") for player, score in sheet.baselines.items()},
        }
        for sheet in sheets
    ]
