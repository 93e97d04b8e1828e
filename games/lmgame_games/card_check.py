"""The part of the conformance kit that looks at a card alone."""

import json
from collections.abc import Callable

from lmgame_common import GameError
from lmgame_games.core import Card, Control, Move


class ConformanceError(GameError, AssertionError):
    """Raised when a game breaks the contract; the message says what to mend."""


def expect(condition: object, message: str) -> None:
    """Raise ConformanceError with that message unless the condition holds."""
    if not condition:
        raise ConformanceError(message)


def check_card(card: Card | None) -> None:
    """Check that a card is complete and agrees with itself. Raises ConformanceError."""
    if not isinstance(card, Card):
        raise ConformanceError(f"The environment's `card` must be a Card; it is {type(card).__name__}.")
    for name in ("game", "preset", "env_id", "title", "rules", "move_frames", "score", "illegal", "seed"):
        expect(str(getattr(card, name)).strip(), f"card.{name} is empty; write it.")
    expect(not card.rounds or card.simultaneous, "card.rounds is for games whose seats move at once.")
    expect(card.max_moves >= 1, f"card.max_moves is {card.max_moves}; it must be at least 1.")
    expect(card.max_decisions >= 1, f"card.max_decisions is {card.max_decisions}; it must be at least 1.")
    expect(card.fps > 0, f"card.fps is {card.fps}; it must be positive.")
    expect(card.controls, "card.controls is empty; name at least one control.")
    words = [word for control in card.controls for word in (control.name, *control.synonyms)]
    twice = sorted({word for word in words if words.count(word) > 1})
    expect(not twice, f"card.controls uses {twice} more than once; names and synonyms must be unambiguous.")
    if card.hold is not None:
        low, high = card.hold
        expect(1 <= low <= high, f"card.hold is {card.hold}; expected 1 <= least <= most.")
    default_is_held = card.default_hold is None or (card.hold and card.hold[0] <= card.default_hold <= card.hold[1])
    expect(default_is_held, f"card.default_hold {card.default_hold} lies outside card.hold {card.hold}.")
    problems_are_told(card.problem, card, "card.problem")
    expect(card.problem(card.idle) is None, f"card.idle {card.idle} is illegal: {card.problem(card.idle)}")
    expect(card.answers, "card.answers is empty; give at least one complete example answer.")
    for answer in card.answers:
        _answer(card, answer)
    for player in ("random", "scripted"):
        expect(
            player in card.baselines,
            f"card.baselines has no {player!r}; measure it (python -m lmgame_games.baselines) and put it on the card.",
        )
        baseline = card.baselines[player]
        expect(baseline.n >= 2, f"card.baselines[{player!r}] rests on {baseline.n} episodes; measure at least 2.")
        low, high = baseline.ci95
        expect(low <= baseline.mean <= high, f"card.baselines[{player!r}]: the mean lies outside its interval.")


def _answer(card: Card, answer: str) -> None:
    """An example must be what the model is asked to write, and playable."""
    try:
        texts = json.loads(answer)["moves"]
        moves = [Move.parse(text) for text in texts]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = 'a JSON object such as {"moves": ["' + str(card.idle) + '"]}'
        raise ConformanceError(f"card.answers has {answer!r}, which isn't {expected}: {error}") from error
    expect(1 <= len(moves) <= card.max_moves, f"card.answers has {answer!r}: 1 to {card.max_moves} moves are legal.")
    for move in moves:
        expect(card.problem(move) is None, f"card.answers has {answer!r}, which is illegal: {card.problem(move)}")


def problems_are_told(problem: Callable[[Move], str | None], card: Card, where: str) -> None:
    """Unknown names and impossible durations are illegal, and the reason is given in words."""
    name = card.controls[0].name
    wrong = [Move("no-such-move", None if card.hold is None else card.hold[0])]
    if card.hold is None:
        wrong.append(Move(name, 1))
    else:
        wrong += [Move(name, card.hold[0] - 1), Move(name, card.hold[1] + 1), Move(name)]
    for move in wrong:
        told = problem(move)
        expect(isinstance(told, str) and told, f"{where} must say why {str(move)!r} is illegal; it said {told!r}.")


def moves_of(control: Control, card: Card) -> list[Move]:
    """The control, held shortest, longest and in between where it is held at all."""
    if card.hold is None:
        return [Move(control.name)]
    low, high = card.hold
    return [Move(control.name, frames) for frames in sorted({low, (low + high) // 2, high})]
