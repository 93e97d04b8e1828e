"""What a model is told about hold'em."""

from lmgame_common import UnknownNameError
from lmgame_games.baselines import load
from lmgame_games.core import Card, Control, Move
from lmgame_games.holdem.stakes import LIMIT, NO_LIMIT, Stakes

STAKES = {"standard": NO_LIMIT, "limit": LIMIT}
"""By preset."""

_RULES = """\
Texas hold'em for two players, {kind}, over {hands} hands. Each player starts every hand with {stack} chips, whatever \
happened before. The button alternates; it posts the small blind of {small} and acts first before the flop, the other \
player posts the big blind of {big} and acts first on flop, turn and river.
{bets}
The best five of the own two cards and the five of the board win at the showdown. Whoever bet or raised last shows \
first; the other player shows only what does not lose. Folded cards are never shown.
What counts is the number of chips won or lost over all hands. Cards are new in every hand, and every answer is one \
act of yours.
Text view: cards are rank and suit, such as Th for the ten of hearts (ranks 2 to 9, T, J, Q, K, A; suits c clubs, \
d diamonds, h hearts, s spades). Bets of a street are counted in total: "raise to 300" makes 300 the bet that the \
other player has to reach. Below the present hand stand the last ones, the newest first."""

_NO_LIMIT_BETS = """\
A raise goes to at least the last bet plus the last raise, at least {big} more. raise_pot and the like go beyond the \
other player's bet by that part of the pot, the pot as it is once the bet is called; where nobody has bet they are the \
first bet. The view shows which sizes are possible and what they come to; those that would come to the same are \
listed once."""

_LIMIT_BETS = """\
Bets and raises are {small_bet} before the flop and on it, {big_bet} on turn and river. Four bets a street are the \
most, of which the big blind is the first one before the flop."""

_FOLD = Control("fold", "give up the hand and what you have put in", ("folds", "muck", "give_up"))
_CHECK = Control("check", "stay in where there is nothing to call", ("checks", "check_behind", "knock"))
_CALL = Control("call", "match the other player's bet", ("calls", "call_bet", "flat_call", "match"))
_NO_LIMIT_RAISES = (
    Control(
        "raise_min",
        "bet or raise as little as possible",
        ("raise", "bet", "bet_min", "min_raise", "min_bet", "minraise"),
    ),
    Control("raise_third_pot", "bet or raise by a third of the pot", ("bet_third_pot", "third_pot", "raise_1/3_pot")),
    Control(
        "raise_half_pot",
        "bet or raise by half the pot",
        ("bet_half_pot", "half_pot", "raise_1/2_pot", "raise_pot_half", "halfpot"),
    ),
    Control("raise_pot", "bet or raise by the pot", ("bet_pot", "pot", "pot_bet", "raise_full_pot", "full_pot")),
    Control("raise_two_pots", "bet or raise by twice the pot", ("bet_two_pots", "two_pots", "overbet", "raise_2_pots")),
    Control("all_in", "bet all your chips", ("allin", "all-in", "shove", "jam", "push", "raise_all_in", "bet_all_in")),
)
_LIMIT_RAISES = (Control("raise", "bet or raise by the fixed amount", ("bet", "raises", "reraise", "re-raise")),)


def _card(preset: str, stakes: Stakes) -> Card:
    bets = (_LIMIT_BETS if stakes.limit else _NO_LIMIT_BETS).format(
        big=stakes.big_blind, small_bet=stakes.bets[0], big_bet=stakes.bets[-1]
    )
    rules = _RULES.format(
        kind="fixed limit" if stakes.limit else "no limit",
        hands=stakes.hands,
        stack=stakes.stack,
        small=stakes.small_blind,
        big=stakes.big_blind,
        bets=bets,
    )
    raises = _LIMIT_RAISES if stakes.limit else _NO_LIMIT_RAISES
    raised = "raise" if stakes.limit else "raise_pot"
    return Card(
        game="holdem",
        preset=preset,
        env_id="lmgame/Holdem-v1",
        version=1,
        title="Texas hold'em",
        rules=rules,
        controls=(_FOLD, _CHECK, _CALL, *raises),
        max_moves=1,
        answers=('{"moves": ["call"]}', f'{{"moves": ["{raised}"]}}', '{"moves": ["check"]}'),
        idle=Move("check"),
        fps=1,
        move_frames="none: no time passes but in replays, where an act takes a second",
        score="big blinds won or lost over all hands; both players' scores sum to 0",
        illegal="an act that is not possible now, such as check where there is a bet to call, or more than one act",
        unusable="An answer that is illegal or can't be read is a check where that is possible, else a fold.",
        seed=(
            "the cards of all hands. A seat gets the same cards whoever sits there, so both seats on one seed are "
            "duplicate poker"
        ),
        notes=(
            "Blinds, and stacks of 200 big blinds that are full again in every hand, are those of the Annual Computer "
            "Poker Competition. A forfeit voids the hand under way, gives up all that was won and costs a full stack "
            "more; where the decisions are used up, the hand under way is void. Luck is large: duplicate matches over "
            "many seeds are needed to tell players apart."
        ),
        max_decisions=200,
        baselines=load("holdem").get(preset, {}),
        seats=2,
        timed=False,
        forfeit_after=10,
    )


def card(preset: str) -> Card:
    """The card of a preset. Raises UnknownNameError."""
    if preset not in STAKES:
        raise UnknownNameError("preset of holdem", preset, STAKES)
    return _card(preset, STAKES[preset])
