"""Runs and arenas: the list of all, and a page for each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmgame_common import LmgameError, RecordError
from lmgame_leaderboards.arena_folder import ArenaRecord, read_arena
from lmgame_leaderboards.folder_lock import in_use
from lmgame_leaderboards.intake import played_game
from lmgame_leaderboards.played import PlayedGame
from lmgame_leaderboards.records import is_finished, read_episode
from lmgame_leaderboards.results import EpisodeResult, Summary, summarize
from lmgame_leaderboards.run_folder import read_run
from lmgame_leaderboards.schema import BaselineRecord, RunRecord
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.drawing import Scale, drawn_interval
from lmgame_leaderboards.web.folders import Folder, Shelf
from lmgame_leaderboards.web.pages.model import score_words
from lmgame_leaderboards.web.render import digits_of, estimate, number, plain, words
from lmgame_leaderboards.web.stage import GameSheet
from lmgame_leaderboards.web.sums import RecordSum, Sums

RUNS = 50
"""Runs on one page of the list."""
RECORDS = 300
"""Records on one page of a run."""
QUICK_ROUNDS = 200
"""Bootstrap rounds of an arena's own table, which is made again as it goes on."""


def runs_page(shelf: Shelf, page: int) -> dict[str, Any]:
    """One page of the list of all runs, the newest first."""
    folders = shelf.folders()
    return {
        "title": "Runs",
        "roots": [plain(root, 300) for root in shelf.roots],
        "rows": [run_row(folder) for folder in folders[(page - 1) * RUNS : page * RUNS]],
        "count": _counted(folders),
        "several": len(folders) > 1,
        **_paging(page, len(folders), RUNS, addresses.runs),
    }


def _counted(folders: Sequence[Folder]) -> str:
    """How many runs and arenas there are, in words."""
    arenas = sum(folder.arena for folder in folders)
    counts = ("run", len(folders) - arenas), ("arena", arenas)
    return ", ".join(f"{number(count)} {kind}{'s' if count != 1 else ''}" for kind, count in counts if count)


def _paging(page: int, count: int, size: int, address: Any) -> dict[str, Any]:
    pages = max(1, -(-count // size))
    return {
        "page": page,
        "pages": pages,
        "before": address(page - 1) if page > 1 else None,
        "after": address(page + 1) if page < pages else None,
    }


def run_row(folder: Folder) -> dict[str, Any]:
    """A run in the list."""
    row: dict[str, Any] = {
        "name": plain(folder.path.name),
        "to": addresses.folder(folder.id),
        "kind": "arena" if folder.arena else "run",
        "problem": "",
        "players": "",
        "games": "",
        "clock": "",
        "created": None,
    }
    try:
        record = read_arena(folder.path) if folder.arena else read_run(folder.path)
    except RecordError as error:
        return {**row, "problem": plain(str(error), 400), "begun": 0, "finished": 0, "asked": None, "state": "damaged"}
    asked = len(record.episodes()) if isinstance(record, RunRecord) else None
    paths = list(folder.records_path.glob("*.jsonl"))
    finished = sum(_finished(path) for path in paths)
    return {
        **row,
        "players": ", ".join(players_of(record)),
        "games": ", ".join(f"{plain(game.game)}/{plain(game.preset)}" for game in record.request.games),
        "clock": record.request.clock,
        "created": record.created,
        "begun": len(paths),
        "finished": finished,
        "asked": asked,
        "state": state_of(folder, finished, len(paths), asked),
    }


def players_of(record: RunRecord | ArenaRecord) -> list[str]:
    """Who plays in a run or an arena, by name."""
    if isinstance(record, RunRecord):
        return [plain(record.request.model)]
    return [plain(player.name) for player in record.players]


def _finished(path: Path) -> bool:
    try:
        return is_finished(path)
    except RecordError:
        return False


def state_of(folder: Folder, finished: int, begun: int, asked: int | None) -> str:
    """In a word: `going on`, `complete` or `stopped`; of an arena that nobody plays in, `at rest`."""
    if in_use(folder.path):
        return "going on"
    if asked is None:
        return "at rest" if finished == begun else "stopped"
    return "complete" if finished >= asked else "stopped"


def folder_page(folder: Folder, sums: Sums, page: int, sheets: Sequence[GameSheet]) -> dict[str, Any]:
    """A run's or an arena's page; `sheets` say what scores count. Raises RecordError where what it says of itself is
    damaged."""
    record = read_arena(folder.path) if folder.arena else read_run(folder.path)
    found = sums.of(folder)
    asked = len(record.episodes()) if isinstance(record, RunRecord) else None
    finished = sum(row.outcome is not None for row in found)
    context: dict[str, Any] = {
        "title": f"{'Arena' if folder.arena else 'Run'} {plain(folder.path.name)}",
        "arena": folder.arena,
        "id": folder.id,
        "place": plain(folder.path, 400),
        "created": record.created,
        "command": plain(record.command, 1000),
        "players": players_of(record),
        "games": [f"{plain(game.game)}/{plain(game.preset)}" for game in record.request.games],
        "asked_for": _asked_for(record),
        "reference": isinstance(record, RunRecord) and record.reference,
        "asked": asked,
        "begun": len(found),
        "finished": finished,
        "state": state_of(folder, finished, len(found), asked),
        "rows": [record_row(folder, row) for row in found[(page - 1) * RECORDS : page * RECORDS]],
        "most": RECORDS,
        "score_words": _words_of_scores(record, sheets),
        "summaries": [],
        "standings": None,
        **_paging(page, len(found), RECORDS, lambda other: addresses.folder(folder.id, other)),
    }
    if isinstance(record, RunRecord):
        context["summaries"] = _summaries(record, found)
    else:
        context["standings"] = arena_standings(folder, record, sums)
    return context


def _words_of_scores(record: RunRecord | ArenaRecord, sheets: Sequence[GameSheet]) -> dict[str, str]:
    """What a score counts, by `game/preset`, in the order in which they were asked for."""
    told = {
        f"{plain(one.game)}/{plain(one.preset)}": score_words(sheets, one.model_dump()) for one in record.request.games
    }
    return {name: text for name, text in told.items() if text}


def _asked_for(record: RunRecord | ArenaRecord) -> list[tuple[str, str]]:
    """The settings that were asked for, in words."""
    request, versions = record.request, record.versions
    settings: dict[str, Any] = {
        "clock": request.clock,
        "observation": request.observation,
        "harness": ", ".join(request.harness) or None,
        "history": request.history or None,
        **request.sampling,
        "most decisions": request.max_decisions,
        "lmgame": versions.lmgame,
        "Python": versions.python,
    }
    return [(words(key), plain(value)) for key, value in settings.items() if value is not None]


def record_row(folder: Folder, row: RecordSum) -> dict[str, Any]:
    """A record in the list of its run; also what live pages are told."""
    return {
        "id": row.id,
        "to": addresses.record(folder.id, row.id),
        "game": f"{row.game}/{row.preset}" if row.game else "",
        "seed": row.seed,
        "names": list(row.names),
        "scores": list(row.scores),
        "score": _scores_told(row.scores),
        "decisions": row.decisions,
        "outcome": row.outcome,
        "unusable": row.unusable,
        "faults": row.faults,
        "tokens": row.tokens,
        "cost": row.cost,
        "latency": row.latency,
        "problem": row.problem,
    }


def _scores_told(scores: Sequence[float]) -> str:
    """Scores by seat. The digits after the point don't hang on how great a score is, since rows of a table that is
    told live don't know each other: whole numbers and halves of a match have none, all others two."""
    if len(scores) > 1 and all(score in (0, 0.5, 1) for score in scores):
        return " : ".join("½" if score == 0.5 else number(score) for score in scores)
    whole = len(scores) == 1 and scores[0] == int(scores[0])
    return " : ".join(number(score, 0 if whole else 2) for score in scores) or "–"


def _summaries(record: RunRecord, found: Sequence[RecordSum]) -> list[dict[str, Any]]:
    """Means by game, beside the reference scores that were known when the run began."""
    rows = [
        EpisodeResult(row.id, row.game, row.preset, 0, row.seed or 0, row.scores[0], row.decisions, row.outcome)
        for row in found
        if not row.problem and row.scores
    ]
    told = []
    for summary in summarize(rows, record.baselines):
        shown: list[tuple[str, Summary | BaselineRecord]] = [("this run", summary)]
        shown += [(plain(player), score) for player, score in summary.baselines.items()]
        values = [end for _, one in shown if one.mean is not None for end in (one.mean, *(one.ci95 or ()))]
        scale, digits = Scale(values), digits_of(values)
        lines = [
            {
                "name": name,
                "n": one.n,
                "mean": one.mean,
                "ci95": one.ci95,
                "own": one is summary,
                "reference": isinstance(one, BaselineRecord) and one.reference,
                "drawn": drawn_interval(one.mean, one.ci95, scale, told=estimate(one.mean, one.ci95, digits)),
            }
            for name, one in shown
        ]
        told.append({"name": f"{summary.game}/{summary.preset}", "lines": lines, "digits": digits})
    return told


def arena_standings(folder: Folder, record: ArenaRecord, sums: Sums) -> dict[str, Any]:
    """The table of an arena by its own games alone."""
    from lmgame_leaderboards.standings import notes_of, standings_of

    games = finished_games(folder, record, sums)
    state = len(games), max((game.finished for game in games), default=0.0)
    before = sums.tables.get(folder.path)
    if before and before[0] == state:
        return before[1]
    try:
        found = standings_of(games, rounds=QUICK_ROUNDS)
    except LmgameError as error:
        return {"rows": [], "notes": [str(error)]}
    scale = Scale([e for row in found.rows if row.rating is not None for e in (row.rating, *row.ci95)])
    rows = [
        {
            "name": plain(row.name),
            "rank": row.rank,
            "rating": row.rating,
            "ci95": list(row.ci95),
            "wins": row.wins,
            "draws": row.draws,
            "losses": row.losses,
            "n": row.n,
            "reference": row.reference,
            "drawn": drawn_interval(row.rating, row.ci95, scale, told=estimate(row.rating, row.ci95, 0))
            if row.rating is not None
            else "",
        }
        for row in found.rows
    ]
    told = {"rows": rows, "notes": [plain(note, 400) for note in notes_of(found)]}
    sums.tables[folder.path] = state, told
    return told


def finished_games(folder: Folder, record: ArenaRecord, sums: Sums) -> list[PlayedGame]:
    """An arena's finished games, each read once; what is damaged is left out, and told in the list of records."""
    games = []
    for path in folder.records().values():
        try:
            if is_finished(path):
                games.append(sums.kept(path, "game", lambda path=path: played_game(read_episode(path), record.id)))
        except RecordError:
            continue
    return games
