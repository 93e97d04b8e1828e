"""What a model is told about hold'em, by preset."""

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move
from lmgame_games.holdem.stakes import BIG_BLIND, HANDS, LIMIT, NO_LIMIT, SMALL_BLIND, STACK, Raise

_RULES = """\
Texas hold'em for two players, {kind}. A match has {hands} hands; the button changes every hand. The player with the \
button posts the small blind of {small} and acts first before the flop; the other posts the big blind of {big} and \
acts first from the flop on. Each gets two cards of their own; three, then one, then one more common cards come to the \
board, with a round of betting before and after each. The best five of seven cards win the pot; equal ones split it. \
Each hand begins with {stack} chips, whatever was won before.
{bets}
An answer is one move. You are told which are possible and what they come to.
Text view: cards are rank and suit, such as Ah for the ace of hearts, Td for the ten of diamonds; c, d, h, s are \
clubs, diamonds, hearts, spades."""

_BETS = {
    "standard": (
        "A bet or raise can be the least allowed (the last raise again, at least a big blind), half the pot, the pot, "
        "twice the pot, or all your chips; the pot counts your call."
    ),
    "limit": (
        f"Bets and raises are {BIG_BLIND} before the flop and on it, {2 * BIG_BLIND} on the turn and the river, and "
        "at most four on each."
    ),
}

_SYNONYMS = {
    "check": (),
    "call": (),
    "fold": (),
    "raise_min": ("min_raise", "minimum raise", "bet_min", "min bet", "raise minimum"),
    "raise_half_pot": ("half_pot", "bet_half_pot", "raise 1/2 pot", "half pot raise"),
    "raise_pot": ("pot", "bet_pot", "pot raise", "raise full pot"),
    "raise_two_pots": ("two_pots", "bet_two_pots", "double pot", "raise 2 pots", "overbet"),
    "all_in": ("allin", "shove", "push", "jam"),
    "raise": ("bet",),
}


def _make(preset: str, raises: tuple[Raise, ...]) -> Card:
    kind = "no-limit" if preset == "standard" else "limit"
    rules = _RULES.format(
        kind=kind, hands=HANDS, small=SMALL_BLIND, big=BIG_BLIND, stack=f"{STACK:,}", bets=_BETS[preset]
    )
    controls = [
        ("fold", "give the hand up"),
        ("check", "bet nothing, where nothing is to be called"),
        ("call", "put in what the other has bet"),
        *((size.name, size.does) for size in raises),
    ]
    return Card(
        game="holdem",
        preset=preset,
        env_id="lmgame/Holdem-v1",
        version=1,
        title=f"Texas hold'em ({kind})",
        rules=rules,
        controls=tuple(Control(name, does, _SYNONYMS[name]) for name, does in controls),
        max_moves=1,
        answers=('{"moves": ["call"]}', f'{{"moves": ["{raises[-1].name}"]}}', '{"moves": ["fold"]}'),
        idle=Move("fold"),
        fps=1,
        move_frames="none: no time passes but in replays, where a move takes a second",
        score=f"big blinds won, over {HANDS} hands; what one wins the other loses",
        illegal="a move that is not possible now, or more than one move",
        unusable="An answer that is illegal or can't be read is a check where that is possible, else a fold.",
        seed=(
            "all cards. Both seats are played on each seed, so that each player gets the cards that the other had "
            "(duplicate poker)"
        ),
        notes=(
            f"Stacks are new in every hand, {STACK // BIG_BLIND} big blinds, as in the Annual Computer Poker "
            "Competition: what is won then doesn't depend on the order of hands. Sizes of bets are a few fractions of "
            "the pot, as is usual where programs play. A seat that forfeits loses a stack, and what it had won before. "
            "A match that is cut short by its limit of decisions counts the hands that are finished."
        ),
        max_decisions=400,
        baselines=load("holdem").get(preset, {}),
        seats=2,
        timed=False,
    )


_CARDS = {"standard": NO_LIMIT, "limit": LIMIT}


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in _CARDS:
        raise UnknownNameError("preset of holdem", preset, _CARDS)
    return _make(preset, _CARDS[preset])
