"""Frames of hold'em: the table from one seat's side.

512 × 416 pixels: both sides are multiples of 32, the size of a patch of most vision encoders. Own cards, the board, the
other's cards (their backs; spectators see both), stacks, bets, pot, button, what was bet in this hand, what is possible
now and what it costs, and how the last hand ended.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from lmgame_games.holdem.deck import Pair
from lmgame_games.holdem.sprites import Colour, back, face, font, place
from lmgame_games.holdem.text import betting, choice
from lmgame_games.holdem.view import Finished, SeatView

WIDTH, HEIGHT = 512, 416
FELT: Colour = (16, 66, 52)
RIM: Colour = (14, 14, 20)
LINE: Colour = (52, 108, 90)
TEXT: Colour = (240, 240, 240)
LABEL: Colour = (176, 200, 188)
CHIPS: Colour = (250, 214, 90)
TURN: Colour = (120, 230, 150)
_CARD, _OWN = (52, 72), (66, 92)
"""Width and height of the board's and the other's cards, and of one's own."""
_TOP, _OTHER, _BOARD, _SELF, _WORDS = 30, 38, 118, 198, 298
"""Pixel rows at which what is on the table begins."""
_BESIDE = 188
"""Pixel column of what is written beside a seat's cards."""


def draw(view: SeatView, *, spectator: bool = False) -> np.ndarray:
    """The frame, uint8 (HEIGHT, WIDTH, 3), a fresh array."""
    names = ("FIRST", "SECOND") if spectator else ("YOU", "OTHER")
    image = _table().copy()
    pen = ImageDraw.Draw(image)
    _head(pen, view, names)
    hand = view.own is not None
    _seat(image, pen, view, 1, names[1], _OTHER, _CARD, view.other, known=view.other is not None)
    for number in range(5):
        at = (16 + number * (_CARD[0] + 8), _BOARD)
        known = number < len(view.board)
        image.paste(face(view.board[number], *_CARD) if known else place(*_CARD, FELT, LINE), at)
    if hand:
        pen.text((336, _BOARD + 16), f"POT {view.pot}", CHIPS, font(20), anchor="lm")
        if view.acting:
            pen.text((336, _BOARD + 50), f"TO CALL {view.to_call}", TEXT, font(18), anchor="lm")
    _seat(image, pen, view, 0, names[0], _SELF, _OWN, view.own, known=True)
    _words(pen, view, spectator)
    return np.array(image)


@cache
def _table() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), FELT)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, WIDTH, _TOP - 1), RIM)
    pen.rectangle((0, _WORDS - 4, WIDTH, HEIGHT), RIM)
    return image


def _head(pen: ImageDraw.ImageDraw, view: SeatView, names: tuple[str, str]) -> None:
    middle = _TOP // 2
    pen.text((16, middle), f"HAND {view.number}/{view.stakes.hands}", TEXT, font(17), anchor="lm")
    pen.text((WIDTH // 2 - 20, middle), f"{names[0]} {view.score:+g} BB", CHIPS, font(17), anchor="mm")
    if view.acting is None:
        state = "DRAW" if not view.score else f"{names[0 if view.score > 0 else 1]} WON"
    elif names[0] == "YOU":
        state = "YOUR TURN" if view.acting else "OTHER'S TURN"
    else:
        state = f"{names[0 if view.acting else 1]}'S TURN"
    pen.text((WIDTH - 16, middle), state, TURN, font(17), anchor="rm")


def _seat(
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    view: SeatView,
    side: int,
    name: str,
    top: int,
    size: tuple[int, int],
    cards: Pair | None,
    *,
    known: bool,
) -> None:
    """A seat's cards, name, stack, button and bet; `side` is 0 for own, 1 for the other."""
    width, height = size
    for number in range(2):
        if view.own is None:
            card = place(width, height, FELT, LINE)
        else:
            card = face(cards[number], width, height) if known and cards else back(width, height)
        image.paste(card, (16 + number * (width + 8), top))
    middle = top + height // 2
    pen.text((_BESIDE, middle - 16), name, TEXT, font(18), anchor="lm")
    pen.text((_BESIDE, middle + 14), f"{view.stacks[side]} chips", LABEL, font(18), anchor="lm")
    if view.own is None:
        return
    if view.button == (side == 0):
        x, y = 308, middle - 15
        pen.ellipse((x - 13, y - 13, x + 13, y + 13), TEXT, RIM)
        pen.text((x, y), "D", RIM, font(18), anchor="mm")
    if view.bets[side]:
        pen.text((336, middle), f"BET {view.bets[side]}", CHIPS, font(20), anchor="lm")


def _words(pen: ImageDraw.ImageDraw, view: SeatView, spectator: bool) -> None:
    """What was bet, what can be done, and how the last hand ended."""
    y = _WORDS + 8
    bets = betting(view.acts, view.board, view.seat)
    for line in _wrapped(f"This hand: {bets or 'no bets yet'}" if view.own else "All hands are over.", 3):
        pen.text((16, y), line, TEXT, font(13), anchor="lm")
        y += 16
    y = _WORDS + 57
    if view.choices and not spectator:
        for line in _wrapped("You can: " + ", ".join(choice(*found) for found in view.choices.items()), 2):
            pen.text((16, y), line, TURN, font(13), anchor="lm")
            y += 16
    if view.past:
        for number, line in enumerate(_wrapped(_last(view.past[0]), 2)):
            pen.text((16, HEIGHT - 26 + 16 * number), line, LABEL, font(13), anchor="lm")


def _last(hand: Finished) -> str:
    result = f"you win {hand.net}" if hand.net > 0 else f"you lose {-hand.net}" if hand.net else "split pot"
    cards = f"you {' '.join(hand.own)}, other {' '.join(hand.other) if hand.other else 'not shown'}"
    board = f", board {' '.join(hand.board)}" if hand.board else ""
    return f"Hand {hand.number}: {result} ({cards}{board})"


def _wrapped(words: str, most: int) -> Sequence[str]:
    """The words in at most so many lines; what doesn't fit is left out at the front, where it is oldest."""
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font(13).getlength(longer) <= WIDTH - 32:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines if len(lines) <= most else [f"… {lines[-most]}", *lines[len(lines) - most + 1 :]]
