"""The site as files: opened from disk by a double click, or published anywhere as it is.

Pages, data and frames are those of the server, at the same addresses. Scripts are classic ones, data comes as scripts,
and links are relative, since browsers let pages from disk do no more.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmgame_common import LmgameError, UsageError
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.folders import Folder
from lmgame_leaderboards.web.ledger import JOINT
from lmgame_leaderboards.web.pages.runs import RECORDS, RUNS
from lmgame_leaderboards.web.projection import Projection, parts_of
from lmgame_leaderboards.web.render import STATIC
from lmgame_leaderboards.web.site import Site
from lmgame_leaderboards.web.track import index_document, script, words_document

MARK = "lmgame-export.txt"
"""A file that tells an export of ours, which may be replaced, from other folders."""
PAIRS = 5000
"""Most pages of two models' matches, under one clock; each two have two, one for each of them."""
WORKERS = 2
MEGABYTE = 1_000_000


@dataclass(slots=True)
class Exported:
    """What an export holds."""

    pages: int = 0
    records: int = 0
    framed: int = 0
    """Records with frames."""
    frame_bytes: int = 0
    left_out: int = 0
    """Records whose frames had no room."""
    undrawn: int = 0
    """Records that can't be drawn here, such as those of other rules."""
    unread: int = 0
    """Records that can't be read."""
    pairs_left_out: int = 0
    """Pages of two models."""

    def told(self, megabytes: float) -> str:
        """What it holds, and what it left out, in words."""
        size = self.frame_bytes / MEGABYTE
        text = f"{self.pages:,} pages, {self.records:,} games, frames of {self.framed:,} of them ({size:.1f} MB)"
        if self.left_out:
            text += f"; frames of {self.left_out:,} games are left out, since {megabytes:g} MB are full (--max-size)"
        if self.undrawn:
            text += f"; {self.undrawn:,} games can't be drawn here"
        if self.unread:
            text += f"; {self.unread:,} records can't be read"
        if self.pairs_left_out:
            text += f"; {self.pairs_left_out:,} pages of two models' matches are left out"
        return text


def check_target(out: Path) -> None:
    """Raise UsageError unless an export may be written there: nothing, an empty folder, or an earlier export."""
    if out.resolve().is_mount():
        raise UsageError(f"{out} is where a disk is mounted and can't be replaced. Choose a folder within it.")
    if out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir())):
        return
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} holds something else. Choose a new or empty folder for --export; nothing was changed.")


def export_site(site: Site, out: Path, *, megabytes: float, note: Callable[[str], None] = lambda _: None) -> Exported:
    """Write the whole site into a folder, which appears, or replaces an earlier export, once all of it is written.

    Args:
        site: Not live.
        out: The folder.
        megabytes: Of frames, at most; the newest runs come first. Frames of a game are written whole or not at all.
        note: Told how far it is.

    Raises:
        UsageError: If the folder holds something else.
        OSError: If it can't be written.
    """
    check_target(out)
    out = out.resolve()
    draft, before = out.with_name(f"{out.name}.draft"), out.with_name(f"{out.name}.before")
    for own in (draft, before):  # of an export that was killed
        if own.exists():
            check_target(own)
    if before.exists() and not out.exists():
        before.rename(out)
    for own in (draft, before):
        if own.exists():
            shutil.rmtree(own)
    draft.mkdir(parents=True)
    (draft / MARK).write_text("Made by `lmgame view --export`; the next export replaces this folder.\n")
    done = Exported()
    folders = site.shelf.folders()
    _records(site, folders, draft, done, megabytes * MEGABYTE, note)
    note("writing pages")
    _choose_pairs(site, done)
    chosen = list(_addresses(site, folders))
    done.pages = sum(address.endswith(".html") for address in chosen)
    site.pages.footer = done.told(megabytes)
    for address in chosen:
        try:
            content = site.get(address)
        except LmgameError as error:
            content = site.problem(address, "This can't be shown", str(error))
        _write(draft / address, content.body)
    shutil.copytree(STATIC, draft / "static")
    if out.exists():
        out.rename(before)
    try:
        draft.rename(out)
    except OSError:
        if before.exists():
            before.rename(out)
        raise
    shutil.rmtree(before, ignore_errors=True)
    return done


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _choose_pairs(site: Site, done: Exported) -> None:
    """Settle which two models' matches get pages: those in heat maps first, then those high on the first board. Nothing
    links to the others."""
    site.pairs = set()
    for clock in site.clocks():
        ledger = site.ledger(clock)
        assert ledger is not None
        pages: dict[str, None] = {}  # in that order, each once
        for board in ledger.boards.values():
            shown = board["matrix"]["players"]
            for row, column, *_ in board["matrix"]["cells"]:
                pages |= _both(clock, shown[row], shown[column])
        ranked = [row["player"] for row in ledger.boards[ledger.first_board]["rows"]] if ledger.boards else []
        before: set[str] = set()
        for player in dict.fromkeys((*(one for one in ranked if one), *ledger.players)):
            for opponent in ledger.opponents(player):
                if opponent in before:
                    pages |= _both(clock, player, opponent)
            before.add(player)
        chosen = list(pages)[: PAIRS // 2 * 2]
        site.pairs.update(chosen)
        done.pairs_left_out += len(pages) - len(chosen)


def _both(clock: str, one: str, other: str) -> dict[str, None]:
    """The pages of two models, each one's results."""
    return {addresses.versus(clock, one, other): None, addresses.versus(clock, other, one): None}


def _addresses(site: Site, folders: list[Folder]) -> Iterator[str]:
    """All pages and pictures, but for those of records' parts."""
    yield from sorted(site.pairs or ())
    yield from ("index.html", "games.html", "match.html")
    for clock in site.clocks():
        ledger = site.ledger(clock)
        assert ledger is not None
        if clock == "realtime":
            yield addresses.board(clock, JOINT)
        yield from (addresses.board(clock, label) for label in ledger.conditions)
        for player in ledger.players:
            yield addresses.model(clock, player)
    for sheet in site.sheets():
        yield addresses.game(sheet.name)
        if site.stage.poster(sheet.game, sheet.preset) is not None:
            yield addresses.game(sheet.name).replace(".html", ".webp")
    for page in range(max(1, -(-len(folders) // RUNS))):
        yield addresses.runs(page + 1)
    for folder in folders:
        records = folder.records()
        for page in range(max(1, -(-len(records) // RECORDS))):
            yield addresses.folder(folder.id, page + 1)
        for record in records:
            yield addresses.record(folder.id, record)


def _records(
    site: Site, folders: list[Folder], draft: Path, done: Exported, room: float, note: Callable[[str], None]
) -> None:
    """All records' data, with frames as long as there is room."""
    todo = [(folder, record, path) for folder in folders for record, path in folder.records().items()]
    full = room <= 0

    def drawn(item: tuple[Folder, str, Path]) -> _Drawn:
        folder, record, path = item
        return _drawn(site, path, f"{folder.id}/{record}", frames=not full)

    with ThreadPoolExecutor(WORKERS) as workers:
        # In small bunches, so that drawing stops soon after the room is full.
        for start in range(0, len(todo), 2 * WORKERS):
            bunch = todo[start : start + 2 * WORKERS]
            for (folder, record, _), found in zip(bunch, workers.map(_or_none(drawn), bunch), strict=True):
                if found is None:
                    done.unread += 1
                    continue
                parts = found.plain
                if found.failed:
                    done.undrawn += 1
                elif found.framed is not None and done.frame_bytes + found.size <= room:
                    parts = found.framed
                    done.framed += 1
                    done.frame_bytes += found.size
                else:
                    full = True
                    done.left_out += 1
                done.records += 1
                place = draft / "runs" / folder.id / record
                _write(place / "data.js", found.index)
                for number, part in enumerate(parts):
                    _write(place / f"part-{number}.js", part)
            note(f"{min(start + len(bunch), len(todo)):,} of {len(todo):,} games")


def _or_none[A, R](call: Callable[[A], R]) -> Callable[[A], R | None]:
    """The same call, which answers None where a record can't be read."""

    def called(item: A) -> R | None:
        try:
            return call(item)
        except LmgameError:
            return None

    return called


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A record's scripts."""

    index: bytes
    plain: list[bytes]
    """Its parts without frames, or with those that could be drawn before it failed."""
    framed: list[bytes] | None = None
    """Its parts with frames; None where there are none."""
    size: int = 0
    """Bytes of the frames."""
    failed: bool = False
    """Whether it can't be drawn, or not to its end."""


def _drawn(site: Site, path: Path, id_: str, *, frames: bool) -> _Drawn:
    """A record's scripts, with frames if they are wanted. Raises RecordError if it can't be read."""
    projection = Projection(path, site.stage, site.pool, quick=False)
    try:
        projection.refresh()
        log = projection.log
        index = script("lmgame.track", index_document(log, id_))
        words = [words_document(log, number) for number in range(parts_of(len(log.decisions)))]

        def scripts(drawn: Sequence[Mapping[str, Any] | None], unseen: str) -> list[bytes]:
            return [
                script("lmgame.part", id_, number, {**said, **(part or {}), "unseen": unseen})
                for number, (said, part) in enumerate(zip(words, drawn, strict=True))
            ]

        plain = scripts([None] * len(words), "")
        if not frames:
            return _Drawn(index, plain)
        drawn = [projection.part(number, patience=3600) for number in range(len(words))]
        if any(part is None for part in drawn):
            return _Drawn(index, scripts(drawn, projection.problem), failed=True)
        size = sum(len(frame or "") for part in drawn if part for frame in part["frames"])
        return _Drawn(index, plain, scripts(drawn, ""), size)
    finally:
        projection.close()
