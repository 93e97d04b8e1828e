import pytest

from lmgame.request import Request, first_seeds, seed_list
from lmgame_common import UnknownNameError, UsageError


@pytest.mark.parametrize(("text", "seeds"), [("0", (0,)), ("3,1", (3, 1)), ("0, 5-7", (0, 5, 6, 7)), ("4-4", (4,))])
def test_seed_lists(text: str, seeds: tuple[int, ...]):
    assert seed_list(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1,,2", "5-3", "-1", "1-", "0-99999999999", "1.5"])
def test_seed_lists_that_make_no_sense(text: str):
    with pytest.raises(UsageError, match="--seeds"):
        seed_list(text)


def test_episodes_count_up_from_the_seed():
    assert first_seeds(3, 7) == (7, 8, 9)
    for wrong in (0, -1):
        with pytest.raises(UsageError, match="at least 1"):
            first_seeds(wrong)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"games": ()}, "No game"),
        ({"games": ("tetris", "tetris")}, "twice"),
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "twice"),
        ({"seeds": (-1,)}, "out of range"),
        ({"seeds": (2**31,)}, "out of range"),
        ({"concurrency": 0}, "--concurrency"),
        ({"max_decisions": -3}, "--max-decisions"),
        ({"max_tokens": 0}, "--max-tokens"),
        ({"max_tokens_total": 0}, "--max-tokens-total"),
        ({"max_cost": -0.5}, "--max-cost"),
        ({"history": -1}, "--history"),
        ({"temperature": 2.5}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"clock": "sundial"}, "--clock"),
        ({"observation": "smell"}, "--observation"),
        ({"options": {"stage": "1-1"}}, "no option 'stage'"),
        ({"model": "human", "clock": "realtime"}, "human"),
        ({"games": ("mario",), "preset": "lmgame-bench-2025", "observation": "text"}, "prescribes"),
    ],
)
def test_requests_that_make_no_sense(fields: dict, complaint: str):
    with pytest.raises(UsageError, match=complaint):
        Request(**{"model": "random", **fields})


def test_unknown_names_answer_with_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'tetris'"):
        Request(model="random", games=("tetriss",))
    with pytest.raises(UnknownNameError, match="Did you mean 'standard'"):
        Request(model="random", preset="standart")
