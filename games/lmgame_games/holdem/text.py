"""The text view of a seat."""

from collections.abc import Sequence

from lmgame_games.holdem.hand import Act
from lmgame_games.holdem.stakes import BOARD, STREETS
from lmgame_games.holdem.view import Finished, SeatView

_ENDINGS = {
    "all_hands_played": "all hands are played",
    "forfeit": "a seat has forfeited",
    "adjudicated": "the decisions are used up",
}


def text(view: SeatView) -> str:
    """Everything the seat needs to know, in one canonical form."""
    stakes = view.stakes
    score = f"{view.score:+g} big blinds"
    lines: list[str] = []
    if view.own is None:
        how = "you won" if view.score > 0 else "you lost" if view.score < 0 else "draw"
        lines.append(f"Game over, {_ENDINGS.get(view.ending, view.ending)}: {how}. Your score: {score}")
    else:
        turn = "Your turn" if view.acting else "The other player's turn"
        lines.append(f"Hand {view.number} of {stakes.hands}. {turn}. Your score before this hand: {score}")
        small, big = ("you", "the other player") if view.button else ("the other player", "you")
        lines.append(f"Button and small blind {stakes.small_blind}: {small}. Big blind {stakes.big_blind}: {big}")
        lines.append(f"Your cards: {' '.join(view.own)}")
        lines.append(f"Board: {' '.join(view.board) or 'none yet'} ({STREETS[BOARD.index(len(view.board))]})")
        lines.append(f"Pot: {view.pot}. On this street: you {view.bets[0]}, the other player {view.bets[1]}")
        lines.append(f"Chips left: you {view.stacks[0]}, the other player {view.stacks[1]}")
        lines.append(f"This hand: {betting(view.acts, view.board, view.seat) or 'no bets yet'}")
        if view.choices:
            lines.append(f"You can: {'; '.join(choice(name, chips) for name, chips in view.choices.items())}")
    lines += [_finished(hand, view.seat) for hand in view.past]
    return "\n".join(lines)


def choice(name: str, chips: int) -> str:
    """A move and what it costs: `call 100`, `raise_pot to 300`."""
    if name == "call":
        return f"call {chips}"
    return f"{name} to {chips}" if chips else name


PLAYERS = ("you", "other")
"""What the seat and the other one are called, in this order."""


def betting(acts: Sequence[Act], board: Sequence[str], seat: int, names: tuple[str, str] = PLAYERS) -> str:
    """The bets of a hand, street by street, with the cards dealt in between."""
    streets: list[str] = []
    for street in range(BOARD.index(len(board)) + 1):
        done = ", ".join(_act(act, names[0 if act.seat == seat else 1]) for act in acts if act.street == street)
        cards = " ".join(board[BOARD[street - 1] : BOARD[street]]) if street else ""
        if part := f"[{cards}] {done}".strip() if cards else done:
            streets.append(part)
    return " ".join(streets)


def _act(act: Act, who: str) -> str:
    ending = "" if who == "you" else "s"
    what = {
        "call": f"call{ending} {act.chips}",
        "bet": f"bet{ending} {act.chips}",
        "raise": f"raise{ending} to {act.chips}",
    }.get(act.name, f"{act.name}{ending}")
    return f"{who} {what}{' (all in)' if act.all_in else ''}"


def _finished(hand: Finished, seat: int) -> str:
    position = "button" if hand.button else "big blind"
    parts = [f"Hand {hand.number} (you {position}, {' '.join(hand.own)}): {betting(hand.acts, hand.board, seat)}"]
    if hand.showdown:
        parts.append(f"other shows {' '.join(hand.other)}" if hand.other else "other mucks")
        if not hand.own_shown:
            parts.append("you muck")
    return "; ".join([*parts, result(hand)])


def result(hand: Finished, name: str = PLAYERS[0]) -> str:
    """How a hand ended for the seat, which is called by that name."""
    if not hand.net:
        return "split pot"
    ending = "" if name == "you" else "s"
    return f"{name} win{ending} {hand.net}" if hand.net > 0 else f"{name} lose{ending} {-hand.net}"
