"""The results store: games go in once, whoever brings them and how often."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lmgame_common import StoreError
from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.published import PublishedScore
from lmgame_leaderboards.store import tables
from lmgame_leaderboards.store.connect import WRITING, connect, explained
from lmgame_leaderboards.store.place import database_url, shown
from lmgame_leaderboards.store.rows import GameRows, Players, games_of, query, rows_of
from lmgame_leaderboards.store.upgrade import upgrade

BATCH = 1000
"""Rows of one statement; SQLite takes at most 32,766 values in one."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of games that were put into a store."""

    added: int = 0
    replaced: int = 0
    """Games that were played again, whose later ending stands now."""
    same: int = 0
    """Games that were there already, or were played again since."""

    def __add__(self, other: "Merged") -> "Merged":
        return Merged(self.added + other.added, self.replaced + other.replaced, self.same + other.same)


class Store:
    """All games that were ever played. May be used by several threads and processes at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str | None = None) -> Self:
        """Open a store, which is made if it doesn't exist, and brought up to date if an older lmgame made it.

        Args:
            url: An SQLite file's path, or a URL (`sqlite:///…`, `postgresql://…`). None: what `LMGAME_DB` says, else
                the user's own SQLite file.

        Raises:
            UsageError: For what names no database.
            MissingDependencyError: For PostgreSQL without the extra `postgres`.
            StoreError: If it can't be reached or used, or a newer lmgame made it.
        """
        place = database_url(url)
        engine = connect(place)
        try:
            with explained(place):
                upgrade(engine, shown(place))
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @property
    def shown_url(self) -> str:
        """Which database it is, for people; without a password."""
        return shown(self._url)

    @property
    def _url(self) -> URL:
        return self._engine.url

    def close(self) -> None:
        """Let go of the database. Closing twice does nothing."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            explained(self._url),
            self._engine.connect().execution_options(**WRITING) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._url), self._engine.connect() as connection:
            yield connection

    def put(self, played: Iterable[PlayedGame]) -> Merged:
        """Put games in: all of them, or none if it fails.

        A game is known by its key. Where one was played twice, the one that finished later stays, whichever came in
        first; equal ones change nothing, but for where the record lies now.

        Raises:
            StoreError: If the store can't be written.
        """
        latest: dict[str, GameRows] = {}
        known: Players = {}
        count = 0
        for count, game in enumerate(played, 1):  # noqa: B007 (the count is what is needed)
            try:
                rows = rows_of(game, known)
            except ValueError as error:
                raise StoreError(f"The game {game.episode} of {game.run} can't be stored: {error}.") from error
            key = rows.game["key"]
            if key not in latest or latest[key].order < rows.order:
                latest[key] = rows
        if not latest:
            return Merged(same=count)
        added = replaced = 0
        # In one order for all writers, so that no two of them wait for each other.
        todo = [latest[key] for key in sorted(latest)]
        players = {key: player for rows in todo for key, player in rows.players.items()}
        with self._writing() as connection:
            for batch in batched([players[key] for key in sorted(players)], BATCH):
                self._add(connection, batch)
            for batch in batched(todo, BATCH):
                new, changed = self._merge(connection, batch)
                added, replaced = added + new, replaced + changed
        return Merged(added, replaced, count - added - replaced)

    def _insert(self, table: Any) -> Any:
        """An insert that can say what happens where the row exists: SQLite and PostgreSQL share its syntax."""
        return (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)

    def _add(self, connection: Connection, players: Iterable[dict[str, Any]]) -> None:
        connection.execute(self._insert(tables.players).on_conflict_do_nothing(), list(players))

    def _merge(self, connection: Connection, batch: Collection[GameRows]) -> tuple[int, int]:
        """How many games of a batch were added, and how many replaced."""
        games, seats = tables.games, tables.seats
        there = {
            row.key: row
            for row in connection.execute(
                select(games.c.key, games.c.finished, games.c.digest, games.c.source).where(
                    games.c.key.in_([rows.game["key"] for rows in batch])
                )
            )
        }
        todo: list[GameRows] = []
        moved: list[dict[str, Any]] = []
        for rows in batch:
            found = there.get(rows.game["key"])
            if found is None or (found.finished, found.digest) < rows.order:
                todo.append(rows)
            elif found.digest == rows.game["digest"] and rows.game["source"] not in ("", found.source):
                moved.append({"of": found.key, "to": rows.game["source"]})
        for change in moved:
            connection.execute(update(games).where(games.c.key == change["of"]).values(source=change["to"]))
        if not todo:
            return 0, 0
        upsert = self._insert(games)
        given = upsert.excluded
        upsert = upsert.on_conflict_do_update(
            index_elements=[games.c.key],
            set_={column.name: given[column.name] for column in games.c if column.name != "key"},
            # Others may have written since we looked.
            where=or_(
                given.finished > games.c.finished,
                and_(given.finished == games.c.finished, given.digest > games.c.digest),
            ),
        )
        changed = [rows.game for rows in todo]
        if self._engine.dialect.name == "postgresql":
            written = set(connection.execute(upsert.returning(games.c.key), changed).scalars())
        else:  # where nobody else writes during a transaction; saying what was written costs much there
            connection.execute(upsert, changed)
            written = {row["key"] for row in changed}
        again = written & there.keys()
        connection.execute(delete(seats).where(seats.c.game_key.in_(sorted(written))))
        rows_of_seats = [seat for rows in todo if rows.game["key"] in written for seat in rows.seats]
        if rows_of_seats:
            connection.execute(insert(seats), rows_of_seats)
        return len(written) - len(again), len(again)

    def games(
        self,
        *,
        game: str | None = None,
        preset: str | None = None,
        clock: str | None = None,
        models: Collection[str] | None = None,
    ) -> list[PlayedGame]:
        """The games that fit, sorted by game, preset and seed.

        Args:
            game: Name of the game.
            preset: Name of its preset.
            clock: `paused` or `realtime`.
            models: Models, as in `--model` or by the name they are shown under; every seat must be one of them.

        Raises:
            StoreError: If the store can't be read.
        """
        wanted = query()
        for column, value in (("game", game), ("preset", preset), ("clock", clock)):
            if value is not None:
                wanted = wanted.where(tables.games.c[column] == value)
        with self._reading() as connection:
            rows = connection.execute(wanted).fetchall()
            # After the games, so that players who came in meanwhile are among them.
            known = connection.execute(select(tables.players.c.key, tables.players.c.settings)).fetchall()
        found = games_of(rows, {row.key: row.settings for row in known})
        if models is None:
            return found
        asked = set(models)
        return [one for one in found if all({s.player.model, s.player.name} & asked for s in one.seats)]

    def count(self) -> int:
        """How many games there are. Raises StoreError if the store can't be read."""
        with self._reading() as connection:
            return connection.execute(select(func.count()).select_from(tables.games)).scalar_one()

    def state(self) -> str:
        """A short text that changes whenever games or published scores do, for those who keep what they made of them.

        Raises:
            StoreError: If the store can't be read.
        """
        games = tables.games
        # Of the digests some bits, whose sum both engines can hold.
        some_bits = func.coalesce(func.sum(games.c.digest % 2**31), 0)
        newest = func.coalesce(func.max(games.c.finished), 0.0)
        with self._reading() as connection:
            row = connection.execute(select(func.count(), newest, some_bits).select_from(games)).one()
            published = repr(self._published(connection)).encode()  # few, and replaced by their sources
        return f"{row[0]}-{row[1]!r}-{int(row[2])}-{hashlib.sha256(published).hexdigest()[:8]}"

    def put_published(self, scores: Iterable[PublishedScore]) -> Merged:
        """Put published scores in, beside the games and never among them; what a source said before is replaced.

        Raises:
            StoreError: If the store can't be written.
        """
        published, added, replaced, same = tables.published, 0, 0, 0
        identity = ("source", "model", "game", "preset", "harness")
        with self._writing() as connection:
            there = {score.identity: score for score in self._published(connection)}
            for score in scores:
                found = there.get(score.identity)
                if found == score:
                    same += 1
                    continue
                row = {name: getattr(score, name) for name in identity}
                row |= {"scores": json.dumps(score.scores), "note": score.note}
                upsert = self._insert(published)
                given = {name: upsert.excluded[name] for name in ("scores", "note")}
                connection.execute(upsert.on_conflict_do_update(index_elements=identity, set_=given), row)
                added, replaced = added + (found is None), replaced + (found is not None)
        return Merged(added, replaced, same)

    def published(self) -> list[PublishedScore]:
        """Scores that others have published, as far as they were put in, sorted by source, game, model and harness.

        Raises:
            StoreError: If the store can't be read.
        """
        with self._reading() as connection:
            return self._published(connection)

    def _published(self, connection: Connection) -> list[PublishedScore]:
        rows = connection.execute(select(tables.published))
        scores = [PublishedScore(**{**row, "scores": tuple(json.loads(row["scores"]))}) for row in rows.mappings()]
        return sorted(scores, key=lambda score: (score.source, score.game, score.preset, score.model, score.harness))
