"""Played games for tests, each figure its own."""

from typing import Any

from lmgame_leaderboards import LatencySummary, PlayedGame, PlayedSeat, PlayerRecord, UsageTotals


def make_player(model: str = "stub", **changed: Any) -> PlayerRecord:
    fields = {"model": model, "base_url": "http://127.0.0.1:8000/v1", "history": 2, "sampling": {"temperature": 0.5}}
    return PlayerRecord.model_validate(fields | changed)


def make_seat(player: PlayerRecord | None = None, score: float = 10.0, **changed: Any) -> PlayedSeat:
    fields: dict[str, Any] = {
        "player": player or make_player(),
        "score": score,
        "decisions": 7,
        "observation": "text",
        "prompt_hash": "aa",
        "verdicts": {"illegal": 1, "ok": 6},
        "infrastructure_faults": 2,
        "usage": UsageTotals(1000, 500, 70, 30, 0.25),
        "latency": LatencySummary(0.5, 0.4, 0.9, 0.1, 0.02),
    }
    return PlayedSeat(**fields | changed)


def make_game(seed: int = 0, seats: tuple[PlayedSeat, ...] | None = None, **changed: Any) -> PlayedGame:
    fields: dict[str, Any] = {
        "game": "tetris",
        "preset": "standard",
        "version": 1,
        "options": {"level": 3},
        "max_decisions": 100,
        "seed": seed,
        "seats": seats or (make_seat(),),
        "outcome": "topped_out",
        "finished": 1000.5,
        "run": "run",
        "episode": f"tetris-standard-{seed}",
        "source": "/somewhere/run",
    }
    return PlayedGame(**fields | changed)


def make_shared(seed: int = 0, scores: tuple[float, float] = (1.0, 0.0), **changed: Any) -> PlayedGame:
    first, second = make_seat(make_player("a"), scores[0]), make_seat(make_player("b", reference=True), scores[1])
    return make_game(seed, (first, second), game="connect4", options={}, **changed)
