"""The page of a record: an episode, or a match that two share."""

from collections.abc import Mapping, Sequence
from typing import Any

from lmgame_common import RecordError
from lmgame_leaderboards.records import EpisodeLog
from lmgame_leaderboards.web import addresses
from lmgame_leaderboards.web.folders import Folder
from lmgame_leaderboards.web.render import number, plain, words
from lmgame_leaderboards.web.sums import Sums, sum_of
from lmgame_leaderboards.web.track import players_of

KEYS = (
    ("Space", "play or pause"),
    ("← →", "one decision back or on"),
    ("Page up, Page down", "ten decisions back or on"),
    ("Home, End", "to the beginning, to the end"),
    ("− +", "slower, faster"),
    ("d", "the decisive moment"),
    ("f", "the next answer that couldn't be used"),
    ("c", "copy a link to this moment"),
)
"""What keys do in the player."""


def record_page(folder: Folder, log: EpisodeLog, record_id: str, sums: Sums) -> dict[str, Any]:
    """An episode's or a shared match's page. Raises RecordError where its header doesn't tell who plays."""
    if not log.header:
        raise RecordError(f"{log.path} has no header yet: it was only just begun, or its writer was killed.")
    row = sum_of(log, record_id)
    records = list(folder.records())
    at = records.index(record_id) if record_id in records else -1
    neighbours = [
        addresses.record(folder.id, records[other]) if at >= 0 and 0 <= other < len(records) else None
        for other in (at - 1, at + 1)
    ]
    header = log.header
    return {
        "title": f"{' – '.join(row.names)}, {row.game}, seed {row.seed}",
        "row": row,
        "result": result_of(row.scores, row.outcome),
        "score": " : ".join(number(score) for score in row.scores),
        "folder": {"name": plain(folder.path.name), "to": addresses.folder(folder.id), "arena": folder.arena},
        "place": plain(log.path, 400),
        "clock": plain(header.get("clock", "paused")),
        "shown": _shown(header, row.names),
        "references": [name for name, player in zip(row.names, players_of(log), strict=True) if player.reference],
        "script": f"{addresses.record(folder.id, record_id).removesuffix('.html')}/data.js",
        "track": f"{folder.id}/{record_id}",
        "before": neighbours[0],
        "after": neighbours[1],
        "keys": KEYS,
        "others": _same_seed(folder, record_id, row.game, row.preset, row.seed, sums) if len(row.scores) == 1 else [],
    }


def _shown(header: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What the players were shown of the game: once where all were shown the same, else each by name."""
    shown = [plain(seat.get("observation") or "the game itself") for seat in header.get("seats") or [header]]
    if len(set(shown)) == 1:
        return shown[:1]
    return [f"{name}: {what}" for name, what in zip(names, shown, strict=True)]


def result_of(scores: Any, outcome: str | None) -> list[str]:
    """Of each seat of a shared game: `won`, `lost` or `drawn`; nothing where one played alone or it isn't over."""
    if outcome is None or len(scores) != 2:
        return []
    one, other = scores
    return ["drawn", "drawn"] if one == other else ["won", "lost"] if one > other else ["lost", "won"]


def _same_seed(
    folder: Folder, record_id: str, game: str, preset: str, seed: int | None, sums: Sums
) -> list[dict[str, Any]]:
    """Who else played that seed in the same arena, to be put side by side."""
    if not folder.arena:
        return []
    found = []
    for id_, path in folder.records().items():
        # By name first, so that a page doesn't read a whole arena.
        if id_ == record_id or not path.stem.startswith(f"{game}-{preset}-{seed}-"):
            continue
        other = sums.record(id_, path)
        if (other.game, other.preset, other.seed) == (game, preset, seed) and len(other.scores) == 1:
            to = addresses.race((folder.id, record_id), (folder.id, id_))
            found.append({"name": other.names[0], "score": number(other.scores[0]), "to": to})
    return found


def match_page() -> dict[str, Any]:
    """The page that puts two episodes side by side; which ones, its address says behind the `#`."""
    return {"title": "Match", "keys": KEYS}


def problem_page(title: str, text: str, hint: str = "") -> dict[str, Any]:
    """What is shown in place of a page."""
    return {"title": title, "text": words(text) if "_" in text and " " not in text else text, "hint": hint}
