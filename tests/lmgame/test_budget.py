import pytest

from lmgame import play_async
from lmgame.budget import Budget
from lmgame_agents import Usage
from lmgame_common import UsageError
from lmgame_serving.testing import Reply, StubServer


def test_tokens_and_cost_add_up():
    budget = Budget(max_tokens=300, max_cost=1.0, price=(1.0, 10.0))
    budget.charge(Usage(prompt_tokens=100, completion_tokens=50))
    assert (budget.tokens, budget.cost, budget.spent) == (150, pytest.approx(0.0006), False)
    budget.charge(Usage(prompt_tokens=100, completion_tokens=50, cost_usd=0.5))
    assert (budget.tokens, budget.cost, budget.spent) == (300, pytest.approx(0.5006), True)
    assert Budget(max_cost=0.5, cost=0.5).spent and not Budget().spent


def test_what_is_not_reported_can_not_be_limited():
    with pytest.raises(UsageError, match="no token counts"):
        Budget(max_tokens=10).charge(Usage())
    with pytest.raises(UsageError, match="--price"):
        Budget(max_cost=1.0).charge(Usage(prompt_tokens=1, completion_tokens=1))
    with pytest.raises(UsageError, match="Leave --max-cost out"):
        Budget(max_cost=1.0, price=(1.0, 1.0)).charge(Usage())
    Budget(max_tokens=10, max_cost=1.0).charge(Usage(), "refused")


async def test_a_refused_answer_does_not_end_a_limited_run(tmp_path):
    blocked = Reply(status=400, body='{"error": {"code": "content_filter", "message": "blocked"}}')
    answer = Reply('{"moves": ["hard_drop"]}')
    async with StubServer(lambda request, n: blocked if n == 3 else answer) as server:
        settings = {"max_decisions": 6, "out": tmp_path / "run"}
        model = f"{server.base_url}#stub"
        stopped = await play_async(model, max_tokens_total=300, **settings)
        assert stopped.stopped == "budget" and not stopped.complete
        done = await play_async(model, max_tokens_total=100_000, **settings)
    assert done.complete
    assert done.episodes[0].verdicts == {"ok": 5, "refused": 1}


async def test_players_of_this_machine_cost_nothing(tmp_path):
    done = await play_async("random", max_tokens_total=1, max_cost=0.01, max_decisions=3, out=tmp_path / "run")
    assert done.complete
