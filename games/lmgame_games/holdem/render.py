"""Frames of hold'em: the table from one seat's side, cards large enough to read, chips in numbers.

512 × 384 pixels, multiples of 32. Suits have a colour of their own each ("four-colour deck") and a letter, so that
neither colour nor shape is needed alone.
"""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lmgame_games.holdem.hand import STREETS
from lmgame_games.holdem.view import Table

WIDTH, HEIGHT = 512, 384
CARD_WIDTH, CARD_HEIGHT = 56, 80
GAP = 8

Colour = tuple[int, int, int]
FELT: Colour = (20, 60, 44)
EDGE: Colour = (14, 14, 20)
TEXT: Colour = (235, 235, 235)
LABEL: Colour = (175, 195, 185)
CHIPS: Colour = (250, 215, 110)
FACE: Colour = (245, 244, 238)
BACK: Colour = (60, 80, 150)
EMPTY: Colour = (34, 82, 62)
TURN: Colour = (255, 255, 255)
SUIT_COLOURS: dict[str, Colour] = {"s": (25, 25, 30), "h": (200, 30, 40), "d": (30, 80, 200), "c": (20, 120, 50)}


def draw(table: Table, spectators: tuple[str, ...] = (), to_move: int | None = None) -> np.ndarray:
    """The frame, uint8 (`HEIGHT`, `WIDTH`, 3), a fresh array.

    Args:
        table: What the seat sees; for spectators what the first seat sees.
        spectators: The second seat's cards, for spectators alone.
        to_move: For spectators: the seat that is to act.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), EDGE)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((6, 30, WIDTH - 7, HEIGHT - 31), 40, fill=FELT)
    own, theirs = ("player_0", "player_1") if spectators else ("YOU", "OTHER")
    kind = "LIMIT" if table.limit else "NO LIMIT"
    pen.text((12, 8), f"HAND {table.hand}/{table.hands}  {kind}", LABEL, _font(15))
    pen.text((WIDTH - 12, 8), f"{table.score:+g} BB", TEXT, _font(15), anchor="ra")

    others = spectators or table.other_cards
    own_turn = to_move == 0 if spectators else bool(table.options)
    other_turn = to_move == 1 if spectators else not table.options and not table.over
    _seat(
        image, 40, theirs, others, table.other_stack, table.other_bet, not table.button, other_turn, hidden=not others
    )
    _seat(image, 252, own, table.own_cards, table.own_stack, table.own_bet, table.button, own_turn, hidden=False)

    left = (WIDTH - 5 * CARD_WIDTH - 4 * GAP) // 2
    for place in range(5):
        x = left + place * (CARD_WIDTH + GAP)
        if place < len(table.board):
            image.paste(_card(table.board[place]), (x, 148))
        else:
            pen.rounded_rectangle((x, 148, x + CARD_WIDTH - 1, 148 + CARD_HEIGHT - 1), 6, outline=EMPTY, width=2)
    pen.text((WIDTH // 2, 233), f"POT {table.pot:,}", CHIPS, _font(18), anchor="ma")
    pen.text((12, HEIGHT - 22), _footer(table, spectators=bool(spectators)), TEXT, _font(14))
    return np.array(image)


def _seat(
    image: Image.Image,
    top: int,
    name: str,
    cards: tuple[str, ...],
    stack: int,
    bet: int,
    button: bool,
    turn: bool,
    *,
    hidden: bool,
) -> None:
    pen = ImageDraw.Draw(image)
    left = (WIDTH - 2 * CARD_WIDTH - GAP) // 2
    for place in range(2):
        face = _back() if hidden else _card(cards[place])
        image.paste(face, (left + place * (CARD_WIDTH + GAP), top + 10))
    pen.text((left - 24, top + 16), name, TURN if turn else LABEL, _font(18), anchor="ra")
    pen.text((left - 24, top + 42), f"{stack:,}", TEXT, _font(16), anchor="ra")
    if turn:
        pen.text((left - 24, top + 66), "TO ACT", CHIPS, _font(14), anchor="ra")
    right = left + 2 * CARD_WIDTH + GAP + 24
    if bet:
        pen.text((right, top + 16), f"BET {bet:,}", CHIPS, _font(18))
    if button:
        pen.ellipse((right, top + 50, right + 28, top + 78), fill=FACE)
        pen.text((right + 14, top + 64), "D", EDGE, _font(18), anchor="mm")


def _footer(table: Table, *, spectators: bool) -> str:
    """What happened last, or how it ended."""
    if table.over:
        return f"MATCH OVER  {table.score:+g} BB"
    if spectators:
        return STREETS[table.street]
    if table.events:
        call = f"   to call {table.to_call:,}" if table.to_call else ""
        return f"{'; '.join(table.events[-3:])}{call}"
    return table.last_hands[0] if table.last_hands else f"blinds posted; to call {table.to_call:,}"


@cache
def _card(card: str) -> Image.Image:
    """A card's face: rank, suit as a shape, and the suit's letter."""
    image = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), FELT)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, CARD_WIDTH - 1, CARD_HEIGHT - 1), 6, fill=FACE)
    rank, suit = card
    colour = SUIT_COLOURS[suit]
    pen.text((6, 2), "10" if rank == "T" else rank, colour, _font(30))
    pen.text((CARD_WIDTH - 6, CARD_HEIGHT - 8), suit, colour, _font(18), anchor="rs")
    image.paste(Image.new("RGB", (32, 32), colour), (6, 42), _shape(suit))
    return image


@cache
def _back() -> Image.Image:
    image = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), FELT)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, CARD_WIDTH - 1, CARD_HEIGHT - 1), 6, fill=BACK)
    pen.rounded_rectangle((5, 5, CARD_WIDTH - 6, CARD_HEIGHT - 6), 4, outline=FACE, width=1)
    pen.text((CARD_WIDTH // 2, CARD_HEIGHT // 2), "?", FACE, _font(28), anchor="mm")
    return image


@cache
def _shape(suit: str) -> Image.Image:
    """A suit's sign as a mask of 32 × 32, drawn four times as large so that its edges are smooth."""
    mask = Image.new("L", (128, 128), 0)
    pen = ImageDraw.Draw(mask)
    stem = [(64, 70), (44, 120), (84, 120)]
    if suit == "d":
        pen.polygon([(64, 4), (108, 64), (64, 124), (20, 64)], fill=255)
    elif suit == "h":
        pen.pieslice((10, 12, 66, 72), 180, 360, fill=255)
        pen.pieslice((62, 12, 118, 72), 180, 360, fill=255)
        pen.polygon([(10, 41), (118, 41), (64, 122)], fill=255)
    elif suit == "s":
        pen.polygon([(64, 4), (116, 74), (12, 74)], fill=255)
        pen.ellipse((10, 50, 66, 104), fill=255)
        pen.ellipse((62, 50, 118, 104), fill=255)
        pen.polygon(stem, fill=255)
    else:
        for x, y in ((37, 4), (8, 48), (66, 48)):
            pen.ellipse((x, y, x + 54, y + 54), fill=255)
        pen.polygon(stem, fill=255)
    return mask.resize((32, 32), Image.Resampling.LANCZOS)


@cache
def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points)
