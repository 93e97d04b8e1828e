"""Frames of hold'em: the table from one seat's side.

512 × 448 pixels: both sides are multiples of 32, the size of a patch of most vision encoders. Own cards, the board, the
other's cards (their backs; spectators see both), stacks, bets, pot, button, what was bet in this hand, what is possible
now and what it costs, and how the last hand ended.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from lmgame_games.holdem.deck import Pair
from lmgame_games.holdem.sprites import Colour, back, button, face, font, place, word
from lmgame_games.holdem.text import PLAYERS, betting, choice, result
from lmgame_games.holdem.view import Finished, SeatView

WIDTH, HEIGHT = 512, 448
FELT: Colour = (16, 66, 52)
RIM: Colour = (14, 14, 20)
LINE: Colour = (52, 108, 90)
TEXT: Colour = (240, 240, 240)
LABEL: Colour = (176, 200, 188)
CHIPS: Colour = (250, 214, 90)
TURN: Colour = (120, 230, 150)
_CARD, _OWN = (52, 72), (66, 92)
"""Width and height of the board's and the other's cards, and of one's own."""
_SMALL = 13
"""Points of the words below the table."""
_TOP, _OTHER, _BOARD, _SELF, _WORDS = 30, 38, 118, 198, 298
"""Pixel rows at which what is on the table begins."""
_BESIDE, _BUTTON, _BETS = 188, 295, 336
"""Pixel columns of names and stacks, of the button, and of bets."""


def draw(view: SeatView, *, spectator: bool = False) -> np.ndarray:
    """The frame, uint8 (HEIGHT, WIDTH, 3), a fresh array."""
    names = ("first", "second") if spectator else PLAYERS
    # When all hands are over, the cards of the last one still lie on the table.
    shown = view.past[0] if view.ending == "all_hands_played" else view
    frame = _table().copy()
    _head(frame, view, names)
    _seat(frame, view, 1, names[1], _OTHER, _cards(shown.other, _CARD, hidden=shown.own is not None))
    for number in range(5):
        card = face(shown.board[number], *_CARD) if number < len(shown.board) else place(*_CARD, FELT, LINE)
        _paste(frame, card, 16 + number * (_CARD[0] + 8), _BOARD)
    if view.own is not None:
        _write(frame, _BETS, _BOARD + 16, f"POT {view.pot}", 20, CHIPS)
    if view.acting and not spectator:
        _write(frame, _BETS, _BOARD + 50, f"TO CALL {view.to_call}", 18, TEXT)
    _seat(frame, view, 0, names[0], _SELF, _cards(shown.own, _OWN, hidden=False))
    _words(frame, view, names, choices=not spectator)
    return frame


def _cards(cards: Pair | None, size: tuple[int, int], *, hidden: bool) -> list[np.ndarray]:
    """Two faces; where they aren't known two backs, if there are `hidden` cards, or two empty places."""
    if cards is not None:
        return [face(card, *size) for card in cards]
    return [back(*size) if hidden else place(*size, FELT, LINE)] * 2


@cache
def _table() -> np.ndarray:
    table = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    table[:] = FELT
    table[:_TOP] = RIM
    table[_WORDS - 4 :] = RIM
    return table


def _head(frame: np.ndarray, view: SeatView, names: tuple[str, str]) -> None:
    middle = _TOP // 2
    _write(frame, 16, middle, f"HAND {view.number}/{view.stakes.hands}", 17, TEXT, RIM)
    _write(frame, 170, middle, f"{names[0].upper()} {view.score:+g} BB", 17, CHIPS, RIM)
    if view.acting is None:
        state = "draw" if not view.score else f"{names[0 if view.score > 0 else 1]} won"
    else:
        state = "your turn" if view.acting and names == PLAYERS else f"{names[0 if view.acting else 1]}'s turn"
    _write(frame, _BETS, middle, state.upper(), 17, TURN, RIM)


def _seat(frame: np.ndarray, view: SeatView, side: int, name: str, top: int, cards: Sequence[np.ndarray]) -> None:
    """A seat's cards, name, stack, button and bet; `side` is 0 for own, 1 for the other."""
    height, width, _ = cards[0].shape
    for number, card in enumerate(cards):
        _paste(frame, card, 16 + number * (width + 8), top)
    middle = top + height // 2
    _write(frame, _BESIDE, middle - 16, name.upper(), 18, TEXT)
    _write(frame, _BESIDE, middle + 14, f"{view.stacks[side]} chips", 18, LABEL)
    if view.own is None:
        return
    if view.button == (side == 0):
        _paste(frame, button(26, FELT), _BUTTON, middle - 28)
    if view.bets[side]:
        _write(frame, _BETS, middle, f"BET {view.bets[side]}", 20, CHIPS)


def _words(frame: np.ndarray, view: SeatView, names: tuple[str, str], *, choices: bool) -> None:
    """What was bet, what can be done, and how the last hand ended."""
    bets = betting(view.acts, view.board, view.seat, names) or "no bets yet"
    _paragraph(frame, _WORDS + 8, "The match is over." if view.own is None else f"This hand: {bets}", 3, TEXT)
    if choices and view.choices:
        possible = ", ".join(choice(name, chips) for name, chips in view.choices.items())
        _paragraph(frame, _WORDS + 62, f"You can: {possible}", 3, TURN)
    if view.past:
        _paragraph(frame, HEIGHT - 30, _last(view.past[0], names), 2, LABEL)


def _last(hand: Finished, names: tuple[str, str]) -> str:
    held = f"{names[0]} {' '.join(hand.own)}, {names[1]} {' '.join(hand.other) if hand.other else 'not shown'}"
    board = f", board {' '.join(hand.board)}" if hand.board else ""
    return f"Hand {hand.number}: {result(hand, names[0])} ({held}{board})"


def _paragraph(frame: np.ndarray, y: int, words: str, most: int, colour: Colour) -> None:
    """Small words in at most so many lines; what doesn't fit is left out at the front, where it is oldest."""
    lines: list[list[str]] = [[]]
    room = full = WIDTH - 32 - _space(_SMALL)
    for letters in words.split(" "):
        needed = word(letters, _SMALL, colour, RIM).shape[1] + _space(_SMALL)
        if needed > room:
            lines.append([])
            room = full
        lines[-1].append(letters)
        room -= needed
    if len(lines) > most:
        lines = lines[-most:]
        lines[0][0] = "…"
    for number, line in enumerate(lines):
        _write(frame, 16, y + 16 * number, " ".join(line), _SMALL, colour, RIM)


def _write(frame: np.ndarray, x: int, y: int, words: str, points: int, colour: Colour, ground: Colour = FELT) -> None:
    """One line of words from column `x`, about row `y`, word by word: words come again and again, lines don't."""
    for letters in words.split(" "):
        picture = word(letters, points, colour, ground)
        _paste(frame, picture, x, y - picture.shape[0] // 2)
        x += picture.shape[1] + _space(points)


@cache
def _space(points: int) -> int:
    return round(font(points).getlength(" "))


def _paste(frame: np.ndarray, picture: np.ndarray, x: int, y: int) -> None:
    """Put a picture with its top left corner there; what lies outside the frame is cut off."""
    height, width = max(min(picture.shape[0], HEIGHT - y), 0), max(min(picture.shape[1], WIDTH - x), 0)
    frame[y : y + height, x : x + width] = picture[:height, :width]
