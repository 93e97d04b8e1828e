"""The chat agent: its conversation, its verdicts, its requests."""

import base64
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lmgame_agents import ChatAgent, ChatClient, Decision, InfrastructureError, Observation, Sampling, Usage, Verdict
from lmgame_games import Card, Move, ObservationKind
from lmgame_serving.testing import Reply, Script, StubServer

FRAME = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def seen(index: int = 0, **fields: Any) -> Observation:
    return Observation(**{"text": f"view {index}", "frame": FRAME, "index": index, **fields})


async def decide(reply: Reply | str, card: Card, observation: Observation | None = None, **options: Any) -> Decision:
    async with (
        StubServer(reply) as server,
        ChatClient(server.base_url, None, "m", request_timeout=options.pop("request_timeout", 10)) as client,
    ):
        agent = ChatAgent(client, card, observation_kind="text", session_id="e", **options)
        return await agent.act(observation or seen())


async def test_a_good_answer(plain: Card) -> None:
    decision = await decide(Reply('{"moves": ["left", "hard_drop"]}', reasoning="hm"), plain)
    assert (decision.moves, decision.verdict) == ((Move("left"), Move("hard_drop")), Verdict.OK)
    assert (decision.raw, decision.thought, decision.problem) == ('{"moves": ["left", "hard_drop"]}', "hm", None)
    assert (decision.usage.prompt_tokens, decision.usage.completion_tokens) == (100, 24)
    assert decision.finish_reason == "stop"
    assert 0 < (decision.latency.first_token or 0) <= decision.latency.total


async def test_a_thought_in_the_text_is_stripped_off(plain: Card) -> None:
    decision = await decide("<think>move: right</think>move: left", plain)
    assert (decision.moves, decision.raw, decision.thought) == ((Move("left"),), "move: left", "move: right")


@pytest.mark.parametrize(
    ("reply", "verdict", "moves", "says"),
    [
        (Reply("I'd go left."), Verdict.UNPARSABLE, (), "No moves"),
        (Reply('{"moves": ["left", "jump"]}'), Verdict.ILLEGAL, ("left",), "'jump'"),
        (Reply("Let me think about", finish_reason="length"), Verdict.TRUNCATED, (), "after 50 tokens"),
        (Reply('{"moves": ["left", "le', finish_reason="length"), Verdict.TRUNCATED, (), "after 50 tokens"),
        (Reply("", reasoning="hm", finish_reason="length"), Verdict.TRUNCATED, (), "after 50 tokens"),
        (Reply('{"moves": ["left"]} because it', finish_reason="length"), Verdict.OK, ("left",), None),
        (Reply("<think>so"), Verdict.TRUNCATED, (), "thinking"),
        (Reply("", finish_reason="content_filter"), Verdict.REFUSED, (), "refused"),
        (Reply("move: left", finish_reason="content_filter"), Verdict.REFUSED, (), "refused"),
        (
            Reply(body='{"choices":[{"message":{"content":null,"refusal":"I won\'t."},"finish_reason":"stop"}]}'),
            Verdict.REFUSED,
            (),
            "refused",
        ),
        (Reply(""), Verdict.UNPARSABLE, (), "empty"),
    ],
)
async def test_verdicts(reply: Reply, verdict: Verdict, moves: tuple[str, ...], says: str | None, plain: Card) -> None:
    decision = await decide(reply, plain, sampling=Sampling(max_tokens=50))
    assert (decision.verdict, tuple(map(str, decision.moves))) == (verdict, moves)
    assert (decision.problem is None) if says is None else (says in (decision.problem or ""))


async def test_an_answer_that_takes_too_long_is_the_models_timeout(plain: Card) -> None:
    slow = Reply('{"moves": ["left"]}' * 20, chunks=200, gap=0.02)
    decision = await decide(slow, plain, request_timeout=0.5)
    assert (decision.moves, decision.verdict) == ((), Verdict.TIMEOUT)
    assert decision.raw


async def test_moves_impossible_now_are_illegal(plain: Card) -> None:
    decision = await decide('{"moves": ["left"]}', plain, seen(legal_moves=("right",)))
    assert (decision.moves, decision.verdict) == ((), Verdict.ILLEGAL)


async def test_infrastructure_faults_pass_through_and_leave_no_trace(plain: Card) -> None:
    async with (
        StubServer([Reply(fault="http_500"), "left"]) as server,
        ChatClient(server.base_url, None, "m") as client,
    ):
        agent = ChatAgent(client, plain, observation_kind="text", history=4)
        before = agent.messages(seen())
        with pytest.raises(InfrastructureError):
            await agent.act(seen())
        assert agent.messages(seen()) == before
        assert (await agent.act(seen())).verdict is Verdict.OK


@pytest.mark.parametrize(("kind", "has_text", "has_frame"), [("text", 1, 0), ("image", 0, 1), ("both", 1, 1)])
async def test_what_is_sent_is_what_is_announced(
    kind: ObservationKind, has_text: int, has_frame: int, plain: Card
) -> None:
    async with StubServer("left") as server, ChatClient(server.base_url, None, "m") as client:
        agent = ChatAgent(
            client, plain, observation_kind=kind, session_id="episode-7", sampling=Sampling(seed=3, structured=True)
        )
        body = agent.body(seen())
        await agent.act(seen())
    request = server.requests[0]
    assert request.json == body
    assert request.headers["x-session-id"] == "episode-7"
    assert request.json["seed"] == 3
    assert request.json["response_format"]["json_schema"]["schema"]["required"] == ["moves"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert ("view 0" in str(body["messages"])) == has_text
    content = body["messages"][1]["content"]
    assert isinstance(content, list) == has_frame
    if has_frame:
        data = base64.b64decode(content[0]["image_url"]["url"].removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(BytesIO(data))), FRAME)


async def play(agent: ChatAgent, turns: int) -> list[list[dict[str, Any]]]:
    prompts = []
    for index in range(turns):
        prompts.append(agent.messages(seen(index)))
        await agent.act(seen(index))
    return prompts


async def test_the_bare_model_remembers_nothing(plain: Card) -> None:
    async with StubServer("left") as server, ChatClient(server.base_url, None, "m") as client:
        prompts = await play(ChatAgent(client, plain, observation_kind="both"), 4)
    assert [len(prompt) for prompt in prompts] == [2] * 4


async def test_history_grows_to_its_limit_and_is_cut_to_half(plain: Card) -> None:
    async with (
        StubServer(lambda request, index: f"move: left x{index + 1}") as server,
        ChatClient(server.base_url, None, "m") as client,
    ):
        prompts = await play(ChatAgent(client, plain, observation_kind="both", history=4), 10)
    turns = [(len(prompt) - 2) // 2 for prompt in prompts]
    assert turns == [0, 1, 2, 3, 4, 2, 3, 4, 2, 3]
    for before, after in pairwise(prompts):
        if len(after) > len(before):  # in between the prefix stays the same, so that caches hit
            assert after[: len(before) - 1] == before[:-1]
    assert all(isinstance(message["content"], str) for prompt in prompts for message in prompt[:-1])
    assert prompts[4][2]["content"] == "move: left x1"
    assert "view 0" in prompts[4][1]["content"]


def small(context: int) -> Script:
    """A server whose context holds so many messages."""

    def answer(request: dict[str, Any], index: int) -> Reply:
        if len(request["messages"]) > context:
            return Reply("This model's maximum context length is 2048 tokens", status=400)
        return Reply("move: left")

    return answer


async def test_a_history_that_outgrows_the_context_is_cut(plain: Card) -> None:
    async with StubServer(small(6)) as server, ChatClient(server.base_url, None, "m") as client:
        agent = ChatAgent(client, plain, observation_kind="text", history=8)
        for index in range(9):
            assert (await agent.act(seen(index))).verdict is Verdict.OK
    sent = [(len(request.json["messages"]) - 2) // 2 for request in server.requests]
    assert sent == [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]


async def test_a_prompt_that_never_fits_is_fatal_and_says_what_to_do(plain: Card) -> None:
    async with StubServer(small(1)) as server, ChatClient(server.base_url, None, "m") as client:
        agent = ChatAgent(client, plain, observation_kind="text", history=8)
        for index in range(5):
            agent.recall(seen(index), Decision(moves=(), raw="left"))
        with pytest.raises(InfrastructureError, match="--history") as raised:
            await agent.act(seen(9))
    assert (raised.value.kind, raised.value.fatal) == ("context_length", True)
    assert [(len(request.json["messages"]) - 2) // 2 for request in server.requests] == [5, 2, 1, 0]


async def limits(replies: list[Reply | str] | Script, card: Card, turns: int, **options: Any) -> list[int]:
    """The limits on the answers that were asked for."""
    async with StubServer(replies) as server, ChatClient(server.base_url, None, "m") as client:
        agent = ChatAgent(client, card, observation_kind="text", **options)
        for index in range(turns):
            await agent.act(seen(index))
    return [request.json["max_tokens"] for request in server.requests]


@pytest.mark.parametrize(
    "thinking",
    [
        Reply("", reasoning="hm", finish_reason="length"),
        Reply("<think>hm", finish_reason="length"),
        Reply("left", usage={"completion_tokens_details": {"reasoning_tokens": 3}}),
    ],
)
async def test_a_model_that_thinks_gets_room_for_it_from_then_on(thinking: Reply, plain: Card) -> None:
    low, high = Sampling().resolve(reasoning=False), Sampling().resolve(reasoning=True)
    replies = ["left", thinking, "left", "left"]
    assert await limits(replies, plain, 4) == [low, low, high, high]
    assert await limits(["left"], plain, 2, reasoning=True) == [high, high]
    assert await limits(replies, plain, 3, sampling=Sampling(max_tokens=77)) == [77] * 3


async def test_a_recalled_thought_gives_room_as_well(plain: Card) -> None:
    async with ChatClient("http://127.0.0.1:1/v1", None, "m") as client:
        for decision in (
            Decision(moves=(), thought="hm"),
            Decision(moves=(), usage=Usage(reasoning_tokens=2)),
            Decision(moves=(), usage=Usage(reasoning_tokens=0)),
        ):
            agent = ChatAgent(client, plain, observation_kind="text")
            agent.recall(seen(), decision)
            thought = bool(decision.thought or decision.usage.reasoning_tokens)
            assert agent.body(seen())["max_tokens"] == Sampling().resolve(reasoning=thought)


async def test_being_cut_off_is_told_with_the_limit_that_held(plain: Card) -> None:
    decision = await decide(Reply("", reasoning="hm", finish_reason="length"), plain)
    assert decision.verdict is Verdict.TRUNCATED
    assert f"after {Sampling().resolve(reasoning=False)} tokens" in (decision.problem or "")


@pytest.mark.parametrize(
    "words", ["maximum context length is 8192 tokens", "max_tokens: 16384 > 4096, the maximum of this model"]
)
async def test_a_limit_nobody_set_gives_way_to_the_servers(words: str, plain: Card) -> None:
    def answer(request: dict[str, Any], index: int) -> Reply:
        return Reply(words, status=400) if request["max_tokens"] > 4096 else Reply("left")

    assert await limits(answer, plain, 2, reasoning=True) == [16384, 8192, 4096, 4096]
    with pytest.raises(InfrastructureError):
        await limits(answer, plain, 1, sampling=Sampling(max_tokens=5000))


async def test_recalling_a_log_rebuilds_the_conversation(plain: Card) -> None:
    answers = ["move: left", "", "<think>hm</think>nonsense", "x" * 9_000, '{"moves": ["jump"]}', "right", "drop"]
    async with StubServer(answers) as server, ChatClient(server.base_url, None, "m") as client:
        agent = ChatAgent(client, plain, observation_kind="both", history=4)
        again = ChatAgent(client, plain, observation_kind="both", history=4)
        for index in range(len(answers)):
            observation = seen(index, feedback="it was empty" if index else None)
            decision = await agent.act(observation)
            again.recall(observation, decision)
            assert again.messages(seen(99)) == agent.messages(seen(99))
    contents = [message["content"] for message in agent.messages(seen(99))]
    assert all(contents), "some servers refuse empty messages"
    assert max(map(len, contents[:-1])) < 6_000
