"""What a model is told: the rules once, then one turn after the other."""

import hashlib
import json
import re
from typing import Any

from lmgame_agents.core import Observation
from lmgame_agents.images import data_uri
from lmgame_games import Card, ObservationKind

PROTOCOL = 1
"""Rises with every change to how turns are laid out or answers are read that a prompt's text doesn't show."""

_SPECIAL = re.compile(r"[.^$*+?()\[\]{}|\\/]")
_SHOWN = {
    "text": "Each turn you get the text view of the game.",
    "image": "Each turn you get a picture of the game as it is now.",
    "both": "Each turn you get a picture of the game as it is now, and its text view.",
}


def system_prompt(card: Card, kind: ObservationKind, *, structured: bool = False, realtime: bool = False) -> str:
    """The first message of every conversation: rules, moves, what the model gets, and how it answers.

    Args:
        card: The game under its preset.
        kind: What the model is shown.
        structured: Whether the server holds the answer to `answer_schema`, so that there is no room for thinking.
        realtime: Whether the game runs on while the model thinks.
    """
    moves = "\n".join(f"- {control.name}: {control.does}" for control in card.controls)
    count = f"1 to {card.max_moves} moves" if card.max_moves > 1 else "one move"
    examples = "\n".join(card.answers)
    ending = "Answer with the JSON alone." if structured else "You may think first. End with the JSON on the last line."
    parts = [
        f"You are playing {card.title}.",
        card.rules,
        f"Moves:\n{moves}",
        _held(card),
        _SHOWN[kind],
        f"While you think the game runs on without you, at {card.fps:g} frames a second: answer fast."
        if realtime
        else "The game waits for your answer.",
        f"Answer with {count} as JSON, like these examples:\n{examples}",
        f"Illegal: {card.illegal.rstrip('.')}. {_cost(card)}",
        ending,
    ]
    return "\n\n".join(part for part in parts if part)


def turn(observation: Observation, card: Card) -> str:
    """The text of one turn: what was wrong with the last answer, the text view, what is possible, what is left."""
    parts = []
    if observation.feedback:
        parts.append(f"Your last answer could not be used as it was: {observation.feedback}")
    if observation.text is not None:
        parts.append(observation.text)
    if observation.legal_moves is not None:
        parts.append(f"Possible now: {', '.join(observation.legal_moves)}")
    if observation.decisions_left is not None:
        parts.append(f"Answers left: {observation.decisions_left}")
    parts.append("Your moves?")
    return "\n\n".join(parts)


def turn_content(observation: Observation, card: Card) -> str | list[dict[str, Any]]:
    """The content of the newest user message: text, or the frame (PNG at native size) and text."""
    text = turn(observation, card)
    if observation.frame is None:
        return text
    image = {"type": "image_url", "image_url": {"url": data_uri(observation.frame)}}
    return [image, {"type": "text", "text": text}]


def answer_schema(card: Card) -> dict[str, Any]:
    """A JSON schema of the card's legal answers, within what OpenAI's strict mode, vLLM and llama.cpp take.

    Moves are the strings that the card's examples show: an enumeration, or where they are held a pattern.
    """
    names = [control.name for control in card.controls]
    move: dict[str, Any] = {"type": "string", "enum": names}
    if card.hold is not None:
        frames = "|".join(str(frames) for frames in range(card.hold[0], card.hold[1] + 1))
        move = {
            "type": "string",
            "pattern": f"^({'|'.join(_SPECIAL.sub(r'\\\g<0>', name) for name in names)}):({frames})$",
        }
    return {
        "type": "object",
        "properties": {"moves": {"type": "array", "items": move, "minItems": 1, "maxItems": card.max_moves}},
        "required": ["moves"],
        "additionalProperties": False,
    }


def prompt_hash(
    card: Card, kind: ObservationKind, *, structured: bool = False, realtime: bool = False, history: int = 0
) -> str:
    """Sixteen hexadecimal digits that change whenever what a model is told, or how it is asked, does."""
    sample = Observation("view", None, ("move",), "feedback", 1)
    rules = system_prompt(card, kind, structured=structured, realtime=realtime)
    told = [PROTOCOL, kind, history, rules, turn(sample, card), answer_schema(card) if structured else None]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _cost(card: Card) -> str:
    """What an answer that can't be used costs."""
    usual = "An answer that is illegal or can't be read costs you a turn."
    if card.seats > 1 and not card.simultaneous:
        usual = "An answer that is illegal or can't be read is not played, and you are asked again."
    cost = card.unusable or usual
    return f"{cost} {card.forfeit_after} such answers in a row lose the game." if card.seats > 1 else cost


def _held(card: Card) -> str:
    if card.hold is None:
        return ""
    low, high = card.hold
    name = next((control.name for control in card.controls if control.name != card.idle.name), card.idle.name)
    text = f"A move is held for {low} to {high} frames, written with a colon, such as {name}:{(low + high) // 2}."
    if card.default_hold is not None:
        text += f" Without a number it is held for {card.default_hold}."
    return text
