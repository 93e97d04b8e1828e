"""Nothing that a seat sees depends on cards that it doesn't know."""

from typing import Any

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgame_games.baselines import random_move
from lmgame_games.holdem.deck import DECK, Deal, draw_deals
from lmgame_games.holdem.env import HoldemEnv
from lmgame_games.shared import AGENTS


def seen(game: HoldemEnv, agent: str, *, frame: bool) -> dict[str, Any]:
    """All that a seat can see or ask of the present state."""
    found = {
        "text": game.text(agent),
        "view": repr(game.view(agent)),
        "observation": game.observe(agent),
        "legal moves": game.legal_moves(agent),
        "idle": game.idle(agent),
        "problems": [game.problem(agent, move) for move in (game.move(agent, 0), game.move(agent, 1))],
        "scores": game.scores(),
        "rewards": dict(game.rewards),
        "infos": {name: dict(info) for name, info in game.infos.items()},
        "to move": game.agent_selection,
        "over": game.over,
    }
    return found | ({"frame": game.frame(agent)} if frame else {})


def otherwise(deal: Deal, seat: int, known: int, rng: np.random.Generator) -> Deal:
    """Another deal in which a seat and `known` cards of the board are as they were."""
    keep = {*deal.held[seat], *deal.board[:known]}
    free = [name for name in DECK if name not in keep and name not in deal.held[1 - seat]]
    drawn = [free[number] for number in rng.permutation(len(free))[:7]]
    other = (drawn[0], drawn[1])
    held = (deal.held[seat], other) if seat == 0 else (other, deal.held[seat])
    return Deal(held, (*deal.board[:known], *drawn[2 : 2 + 5 - known]))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(0, 25), seat=st.integers(0, 1))
def test_hidden_cards_change_nothing_that_a_seat_sees(seed: int, steps: int, seat: int):
    agent, rng = AGENTS[seat], np.random.default_rng(seed)
    game = HoldemEnv("standard" if seed % 2 else "limit")
    game.reset(seed=seed)
    actions: list[int] = []
    shots = [seen(game, agent, frame=True)]
    boards: list[int] = []
    folded: list[bool] = []
    for _ in range(steps):
        mover = game.agent_selection
        action = game.action(mover, random_move(game.seat(mover), seed, len(actions)))
        hand = game._hand
        assert hand is not None
        game.step(action)
        actions.append(action)
        shots.append(seen(game, agent, frame=len(actions) % 5 == 0))
        if hand.over:
            boards.append(len(hand.board))
            folded.append(hand.shown == (None, None))
        if game.over:
            break
    known = [*boards, *([] if game._hand is None else [len(game._hand.board)])]
    deals = [
        deal
        if number < len(folded) and not folded[number]  # came to a showdown: what lost decides who won
        else otherwise(deal, seat, known[number] if number < len(known) else 0, rng)
        for number, deal in enumerate(game._deals)
    ]
    # The cards of hands to come are hidden whole, own ones too.
    deals[len(known) :] = draw_deals(rng, len(deals) - len(known))
    assert tuple(deals) != game._deals
    twin = HoldemEnv("standard" if seed % 2 else "limit")
    twin.reset(seed=seed)
    twin._deal_match(tuple(deals))
    for number, shot in enumerate(shots):
        if number:
            twin.step(actions[number - 1])
        again = seen(twin, agent, frame="frame" in shot)
        differ = [name for name in shot if not data_equivalence(shot[name], again[name], exact=True)]
        assert not differ, f"after {number} acts {differ} depend on cards that {agent} doesn't know"


def test_the_check_above_would_see_a_card():
    """Spectators see both seats' cards, so their frames and texts do differ."""
    rng = np.random.default_rng(0)
    game, twin = HoldemEnv(render_mode="rgb_array"), HoldemEnv(render_mode="rgb_array")
    game.reset(seed=0)
    twin.reset(seed=0)
    twin._deal_match(tuple(otherwise(deal, 0, 0, rng) for deal in game._deals))
    assert np.array_equal(game.frame("player_0"), twin.frame("player_0"))
    shown, others = game.render(), twin.render()
    assert shown is not None and others is not None and not np.array_equal(shown, others)
    assert game.text("player_0") == twin.text("player_0") and game.text("player_1") != twin.text("player_1")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_cards_that_nobody_showed_are_never_told(seed: int):
    """Through a whole match, a card of the other seat is in a text only if it was shown, or is on a board."""
    game = HoldemEnv("limit")
    game.reset(seed=seed)
    step = 0
    while not game.over:
        for seat, agent in enumerate(AGENTS):
            view, text = game.view(agent), game.text(agent)
            told = {word.strip("()[],;:") for word in text.split()} & set(DECK)
            allowed = {*(view.own or ()), *view.board}
            for _, hand in game._past:
                allowed |= {*hand.deal.held[seat], *hand.board, *(hand.shown[1 - seat] or ())}
            assert told <= allowed
        mover = game.agent_selection
        game.step(game.action(mover, random_move(game.seat(mover), seed, step)))
        step += 1
