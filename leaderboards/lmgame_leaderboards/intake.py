"""From records on disk to played games: run folders, arena folders, single records."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lmgame_common import RecordError
from lmgame_leaderboards.arena_folder import ARENA_FILE, GAMES, read_arena
from lmgame_leaderboards.played import PlayedGame, PlayedSeat
from lmgame_leaderboards.records import EpisodeLog, read_episode
from lmgame_leaderboards.results import latency_summary, usage_totals
from lmgame_leaderboards.run_folder import EPISODES, RUN_FILE, read_run
from lmgame_leaderboards.schema import PlayerRecord, RunRecord, Versions

CARTRIDGE_GAMES = ("mario",)
"""Games that are played on a cartridge image: records name the image once for all games of a run."""

LARGEST = 2**63 - 1
"""The largest whole number that databases hold."""

Damaged = Callable[[RecordError], None]


def played_games(folder: Path, damaged: Damaged | None = None) -> list[PlayedGame]:
    """All finished games of a run's or an arena's folder, sorted by their records' names.

    Args:
        folder: As `lmgame play` or `lmgame arena` made it; it may be in use.
        damaged: Told of each game's record that can't be used, which is then left out; None: the first one is raised.

    Raises:
        RecordError: If the folder is neither, or what it says of itself is damaged.
    """
    if (folder / ARENA_FILE).exists():
        return list(_played(folder / GAMES, read_arena(folder).id, damaged))
    return list(_played(folder / EPISODES, read_run(folder), damaged))


def _played(records: Path, run: RunRecord | str, damaged: Damaged | None) -> Iterator[PlayedGame]:
    for path in sorted(records.glob("*.jsonl")):
        try:
            log = read_episode(path)
            if log.outcome is not None:
                yield played_game(log, run)
        except RecordError as error:
            if damaged is None:
                raise
            damaged(error)


def result_folders(path: Path) -> list[Path]:
    """`path` if it is a run's or an arena's folder, else all such folders in it, at any depth, sorted."""
    found: list[Path] = []
    for folder, below, names in os.walk(path):
        if RUN_FILE in names or ARENA_FILE in names:
            found.append(Path(folder))
            below.clear()
    return sorted(found)


def player_of(run: RunRecord) -> PlayerRecord:
    """Who played a run."""
    asked = run.request
    return PlayerRecord(
        model=asked.model,
        base_url=asked.base_url,
        harness=asked.harness,
        history=asked.history,
        sampling=asked.sampling,
        structured=asked.structured,
        reference=run.reference,
        weights=run.versions.weights,
    )


def played_game(log: EpisodeLog, run: RunRecord | str | None = None) -> PlayedGame:
    """A finished game from its record.

    Args:
        log: The record.
        run: The run that it belongs to, if its header does not say who plays; else the id of its run or arena.

    Raises:
        RecordError: If it isn't finished, or it lacks something that `run` doesn't say either.
    """
    if log.outcome is None:
        raise RecordError(f"{log.path} is no result yet: the game isn't finished. Run the same command again.")
    header, outcome = log.header, log.outcome
    record = run if isinstance(run, RunRecord) else None
    try:
        seats = _seats(log, record)
        versions = record.versions if record else Versions.model_validate(header["versions"])
        game = PlayedGame(
            game=header["game"],
            preset=header["preset"],
            version=header["version"],
            options=header.get("options") or {},
            clock=header.get("clock") or (record.request.clock if record else "paused"),
            max_decisions=header.get("max_decisions"),
            rom=versions.rom if header["game"] in CARTRIDGE_GAMES else None,
            seed=header["seed"],
            seats=seats,
            outcome=outcome["outcome"],
            finished=_finished(log, record),
            run=record.id if record else (run if isinstance(run, str) else ""),
            episode=header["episode"],
            # Names of files may have bytes that are no text.
            source=os.fsencode(log.path.absolute()).decode(errors="replace"),
        )
    except (KeyError, IndexError) as error:
        raise RecordError(
            f"{log.path} doesn't say by itself who plays (it has no {error}); give the folder of its run."
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{log.path} is damaged ({where}: {first['msg']}). Move the file away.") from error
    return check_storable(game, str(log.path))


def _finished(log: EpisodeLog, record: RunRecord | None) -> float:
    """When it ended; where the record doesn't say, when its run began."""
    assert log.outcome is not None
    if (end := log.outcome.get("time")) is not None:
        return end
    try:
        return datetime.fromisoformat(record.created).timestamp() if record else 0.0
    except ValueError:
        return 0.0


def _seats(log: EpisodeLog, record: RunRecord | None) -> tuple[PlayedSeat, ...]:
    header, outcome = log.header, log.outcome
    assert outcome is not None
    if not (told := header.get("seats")):
        if record is None:
            raise KeyError("seats")
        prompt_hash = record.prompt_hashes.get(f"{header['game']}/{header['preset']}")
        return (_seat(log, None, player_of(record), outcome["score"], header.get("observation"), prompt_hash),)
    scores = [outcome["score"]] if len(told) == 1 else outcome["scores"]
    return tuple(
        _seat(
            log,
            number if len(told) > 1 else None,
            PlayerRecord.model_validate(seat["player"]),
            scores[number],
            seat.get("observation"),
            seat.get("prompt_hash"),
        )
        for number, seat in enumerate(told)
    )


def _seat(
    log: EpisodeLog,
    number: int | None,
    player: PlayerRecord,
    score: float,
    observation: str | None,
    prompt_hash: str | None,
) -> PlayedSeat:
    """One seat's share of a record; `number` None: all of it. Void decisions have cost tokens, and are nothing else."""
    decisions = _of_seat(log.decisions, number)
    return PlayedSeat(
        player=player,
        score=score,
        decisions=len(decisions),
        observation=observation,
        prompt_hash=prompt_hash,
        verdicts=dict(sorted(Counter(line["verdict"] for line in decisions).items())),
        infrastructure_faults=len(_of_seat(log.faults, number)),
        usage=usage_totals([*_of_seat(log.void, number), *decisions]),
        latency=latency_summary(decisions),
    )


def _of_seat(lines: Iterable[dict[str, Any]], number: int | None) -> list[dict[str, Any]]:
    return [line for line in lines if number is None or line.get("seat") == number]


def check_storable(game: PlayedGame, where: str) -> PlayedGame:
    """The game itself, if databases can hold all that is in it.

    Args:
        game: From a record, which may say anything.
        where: The file, for messages.

    Raises:
        RecordError: If numbers are too large or not finite, or texts have characters that are none.
    """
    if problem := _problem(game):
        raise RecordError(f"{where} can't be used: {problem}. Move the file away.")
    return game


def _problem(game: PlayedGame) -> str | None:
    whole: list[int | None] = [game.version, game.max_decisions, game.seed]
    real: list[float | None] = [game.finished]
    texts = [game.game, game.preset, game.clock, game.rom, game.outcome, game.run, game.episode]
    for seat in game.seats:
        usage = asdict(seat.usage)
        whole += [seat.decisions, seat.infrastructure_faults, *seat.verdicts.values()]
        real += [seat.score, usage.pop("cost_usd"), *asdict(seat.latency).values()]
        whole += usage.values()
        texts += [seat.player.model, seat.player.base_url, seat.observation, seat.prompt_hash]
    for number in whole:
        if number is not None and not -LARGEST <= number <= LARGEST:
            return f"the number {number} is out of range"
    for number in real:
        if number is not None and not isfinite(number):
            return f"the number {number} isn't finite"
    for text in texts:
        if text is not None and ("\0" in text or text.encode(errors="replace").decode() != text):
            return f"the text {text!r} has characters that can't be stored"
    try:
        _ = game.key
    except ValueError as error:
        return f"a setting is no finite number ({error})"
    return None
