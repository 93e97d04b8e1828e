"""The chat client against a server that behaves, and one that misbehaves in every way."""

import asyncio
import json
import logging
import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.util import find_spec
from typing import Any

import httpx2
import pytest

from lmgame_agents import ChatClient, InfrastructureError, Sampling, Usage
from lmgame_agents.faults import from_exception, retry_after
from lmgame_agents.stream import Reply as ChatReply
from lmgame_common import UsageError
from lmgame_serving.testing import Reply, StubServer

MESSAGES = [{"role": "user", "content": "Hello"}]
WITH_IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]
KEY = "sk-very-secret-key"


async def ask(server: StubServer, messages: list[dict[str, Any]] = MESSAGES, **options: Any) -> ChatReply:
    options = {"idle_timeout": 2.0, "request_timeout": 5.0, **options}
    async with ChatClient(server.base_url, KEY, "stub", **options) as client:
        return await client.ask(messages, session_id="episode-1")


async def fault_of(reply: Reply, messages: list[dict[str, Any]] = MESSAGES, **options: Any) -> InfrastructureError:
    async with StubServer(reply) as server:
        with pytest.raises(InfrastructureError) as raised:
            await ask(server, messages, **options)
        assert KEY not in str(raised.value)
        assert server.count == 1, "the client must not retry"
        return raised.value


def events(*events: dict[str, Any] | str) -> bytes:
    return b"".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode() for event in events)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


# What a good answer is read as


async def test_text_thought_usage_and_finish_reason_are_read() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 0.25,
    }
    async with StubServer(Reply("left, right", reasoning="Let me see.", usage=usage)) as server:
        reply = await ask(server)
    assert (reply.text, reply.thought, reply.finish_reason) == ("left, right", "Let me see.", "stop")
    assert reply.usage == Usage(10, 4, 7, 3, 0.25)
    assert not reply.timed_out


async def test_the_request_carries_session_key_and_settings() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=77, seed=5, structured=True, extra_body={"top_k": 3})
    async with (
        StubServer() as server,
        ChatClient(server.base_url, KEY, "m", extra_headers={"X-Title": "t"}) as client,
    ):
        await client.ask(MESSAGES, sampling, session_id="episode-9", schema={"type": "object"})
        await client.ask(MESSAGES)
    first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert (first.headers["x-session-id"], first.headers["x-title"]) == ("episode-9", "t")
    wanted = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 77, "seed": 5, "top_k": 3, "model": "m", "stream": True}
    assert wanted.items() <= first.json.items()
    assert first.json["stream_options"] == {"include_usage": True}
    assert first.json["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert set(second.json) == {"model", "messages", "stream", "stream_options", "max_tokens"}
    assert "x-session-id" not in second.headers


async def test_nothing_of_the_environment_is_sent_to_other_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    async with StubServer() as server, ChatClient(server.base_url, None, "m") as client:
        await client.ask(MESSAGES)
        await client.models()
    assert "authorization" not in server.requests[0].headers
    assert "from-the-environment" not in str(server.requests[0].headers)


async def test_openai_gets_its_own_headers_cookies_are_kept_and_redirects_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    got: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        got.append(request)
        if len(got) == 1:
            return httpx2.Response(307, headers={"Location": "/v2/chat/completions", "Set-Cookie": "worker=7; Path=/"})
        return httpx2.Response(200, content=events(*BASE, delta("stop"), "[DONE]"))

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer), follow_redirects=True)
    async with ChatClient("https://api.openai.com/v1", KEY, "m", http_client=http_client) as client:
        for _ in range(2):
            assert (await client.ask(MESSAGES)).text == "left"
    assert [request.url.path for request in got] == [f"/v{n}/chat/completions" for n in (1, 2, 1)]
    assert got[0].content == got[1].content and json.loads(got[0].content)["messages"] == MESSAGES
    for request in got:
        assert (request.headers["OpenAI-Organization"], request.headers["Authorization"]) == ("org", f"Bearer {KEY}")
    assert [request.headers.get("Cookie") for request in got] == [None, "worker=7", "worker=7"]


async def test_latencies_are_measured_where_the_tokens_arrive() -> None:
    async with StubServer(Reply("abcdefgh", chunks=8, delay=0.1, gap=0.02)) as server:
        latency = (await ask(server)).latency
    assert latency.first_token is not None and latency.first_token >= 0.1
    assert latency.between_tokens == pytest.approx(0.02, abs=0.02)
    assert latency.total >= latency.first_token + 7 * 0.02


async def test_many_requests_at_once_share_one_client() -> None:
    async with (
        StubServer(Reply(delay=0.2)) as server,
        ChatClient(server.base_url, None, "m", idle_timeout=30) as client,
    ):
        replies = await asyncio.gather(*(client.ask(MESSAGES, session_id=f"e{i}") for i in range(260)))
    assert len(replies) == 260
    assert server.most_in_flight == 260


async def test_connections_are_used_again() -> None:
    async with StubServer() as server, ChatClient(server.base_url, None, "m") as client:
        for _ in range(5):
            await client.ask(MESSAGES, session_id="e")
        assert len(server._connections) == 1


BASE = [delta(role="assistant"), delta(content="le"), delta(content="ft")]


@pytest.mark.parametrize(
    ("body", "text", "thought", "finish"),
    [
        (events(*BASE, delta("stop")), "left", None, "stop"),
        (events(*BASE, "[DONE]"), "left", None, None),
        (events(*BASE, delta("length"), "[DONE]").replace(b"\n", b"\r\n"), "left", None, "length"),
        (events(*BASE, delta("stop"), "[DONE]").replace(b"data: ", b"data:"), "left", None, "stop"),
        (b": keep-alive\n\n" + events(*BASE, delta("stop")), "left", None, "stop"),
        (b"event: message\nid: 1\n" + events(*BASE, delta("stop")), "left", None, "stop"),
        (events(*BASE, delta("stop"), "[DONE]").rstrip(b"\n"), "left", None, "stop"),
        (events(delta(reasoning="hm"), *BASE, delta("stop")), "left", "hm", "stop"),
        (events(delta(reasoning_content="hm", content=None), *BASE, delta("stop")), "left", "hm", "stop"),
        (events(delta(content=[{"type": "text", "text": "left"}]), delta("stop")), "left", None, "stop"),
        (
            events(delta(content=[{"type": "thinking", "thinking": [{"text": "hm"}]}]), *BASE, delta("stop")),
            "left",
            "hm",
            "stop",
        ),
        (events({"choices": [], "usage": None}, *BASE, delta("stop")), "left", None, "stop"),
        (events(delta("stop")), "", None, "stop"),
        (b'{"choices": [{"message": {"content": "left"}, "finish_reason": "stop"}]}', "left", None, "stop"),
        (b'\n\n{\n"choices": [{"message": {"content": "left"}, "finish_reason": "stop"}]}\n', "left", None, "stop"),
        (b'{"choices": [{"message": {"content": "left", "reasoning": "hm"}}]}', "left", "hm", None),
    ],
)
async def test_servers_that_are_not_strict_are_understood(
    body: bytes, text: str, thought: str | None, finish: str | None
) -> None:
    async with StubServer(Reply(body=body)) as server:
        reply = await ask(server)
    assert (reply.text, reply.thought, reply.finish_reason) == (text, thought, finish)


async def test_a_reply_that_is_not_streamed_is_understood() -> None:
    async with StubServer(Reply("left", reasoning="hm", fault="not_streamed")) as server:
        reply = await ask(server)
    assert (reply.text, reply.thought, reply.finish_reason, reply.usage.prompt_tokens) == ("left", "hm", "stop", 100)


async def test_refusals_are_read() -> None:
    body = events(delta(refusal="I can't "), delta(refusal="do that."), delta("stop"))
    async with StubServer(Reply(body=body)) as server:
        assert (await ask(server)).refusal == "I can't do that."


async def test_a_filtered_prompt_is_a_refusal_and_no_fault() -> None:
    body = json.dumps({"error": {"code": "content_filter", "message": "The prompt triggered a policy."}})
    async with StubServer(Reply(body=body, status=400, delay=0.1)) as server:
        reply = await ask(server)
    assert reply.finish_reason == "content_filter"
    assert reply.latency.total >= 0.1  # the game may have run on meanwhile
    assert reply.latency.first_token is None


async def test_a_refusal_amid_a_stream_keeps_what_came_before_it() -> None:
    error = {"error": {"code": 400, "message": "content_filter"}, "usage": {"prompt_tokens": 5, "cost": 0.5}}
    async with StubServer(Reply(body=events(*BASE, error), delay=0.1)) as server:
        reply = await ask(server)
    assert (reply.text, reply.finish_reason) == ("left", "content_filter")
    assert reply.usage == Usage(prompt_tokens=5, cost_usd=0.5)
    assert 0.1 <= (reply.latency.first_token or 0) <= reply.latency.total


async def test_counts_that_make_no_sense_are_left_out() -> None:
    usage = {"prompt_tokens": "many", "completion_tokens": -1, "prompt_tokens_details": 3, "cost": None}
    async with StubServer(Reply(usage=usage)) as server:
        assert (await ask(server)).usage == Usage()


@pytest.mark.parametrize("count", [-1, True, 3.0, float("nan"), 10**12, "3"])
async def test_token_counts_are_whole_and_not_absurd(count: Any) -> None:
    async with StubServer(Reply(usage={"prompt_tokens": count, "completion_tokens": 2})) as server:
        assert (await ask(server)).usage == Usage(completion_tokens=2)


@pytest.mark.parametrize("cost", [-0.1, True, float("nan"), float("inf"), float("-inf"), 10**400, "1"])
async def test_a_cost_is_finite_and_not_negative(cost: Any) -> None:
    async with StubServer(Reply(usage={"prompt_tokens": 1, "cost": cost})) as server:
        assert (await ask(server)).usage == Usage(prompt_tokens=1)
    async with StubServer(Reply(usage={"cost": 0})) as server:
        assert (await ask(server)).usage == Usage(cost_usd=0.0)


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
async def test_surrogate_pairs_cut_in_two_are_joined(field: str) -> None:
    body = events(delta(**{field: "\ud83d"}), delta(**{field: "\ude00 move: left"}), delta("stop"))
    async with StubServer(Reply(body=body)) as server:
        reply = await ask(server)
    assert "😀 move: left" in (reply.text, reply.thought, reply.refusal)


async def test_half_a_surrogate_pair_is_replaced() -> None:
    async with StubServer(Reply(body=events(delta(content="\ufeffa\ud83d b"), delta("stop\udc00")))) as server:
        reply = await ask(server)
    assert (reply.text, reply.finish_reason) == ("\ufeffa\ufffd b", "stop\ufffd")


# Faults, one by one


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset", "reset"),
        ("reset_headers", "reset"),
        ("reset_stream", "reset"),
        ("cut", "cut"),
        ("cut_clean", "cut"),
        ("empty", "empty"),
        ("malformed", "malformed"),
        ("http_500", "http_500"),
        ("http_429", "rate_limited"),
    ],
)
async def test_faults_that_may_pass(fault: Any, kind: str) -> None:
    raised = await fault_of(Reply(fault=fault))
    assert (raised.kind, raised.fatal) == (kind, False)


async def test_an_answer_that_the_server_did_not_finish_is_no_answer() -> None:
    # As vLLM ends those whose KV cache didn't arrive, and those that it gives up when it is stopped.
    nothing = await fault_of(Reply(body=events(delta(content=""), "[DONE]")))
    assert (nothing.kind, nothing.fatal) == ("empty", False)
    given_up = await fault_of(Reply(body=events(delta(content='{"mov'), delta("abort"))))
    assert (given_up.kind, given_up.fatal) == ("cut", False)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_keep_their_status(status: int) -> None:
    body = "<html>bad gateway</html>" if status == 502 else '{"error": {"message": "overloaded"}}'
    raised = await fault_of(Reply(body=body, status=status, headers={"Retry-After": "2.5"}))
    assert (raised.kind, raised.retry_after, raised.fatal) == (f"http_{status}", 2.5, False)


async def test_rate_limits_say_how_long_to_wait() -> None:
    assert (await fault_of(Reply(fault="http_429"))).retry_after == 1
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    raised = await fault_of(Reply(fault="http_429", headers={"Retry-After": later}))
    assert raised.retry_after is not None and 50 < raised.retry_after <= 60


def test_retry_after_is_read_or_left() -> None:
    assert retry_after({}) is None
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "-3"}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


async def test_a_refused_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with ChatClient(f"http://127.0.0.1:{port}/v1", None, "m") as client:
        with pytest.raises(InfrastructureError, match="server running") as raised:
            await client.ask(MESSAGES)
    assert (raised.value.kind, raised.value.fatal) == ("refused", False)


async def test_a_host_that_does_not_exist() -> None:
    async with ChatClient("http://no-such-host.invalid/v1", None, "m") as client:
        with pytest.raises(InfrastructureError) as raised:
            await client.ask(MESSAGES)
    assert raised.value.kind == "dns"


async def test_a_connection_that_never_opens() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # fill the queue of connections that nobody accepts
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with ChatClient(
            f"http://127.0.0.1:{full.getsockname()[1]}/v1", None, "m", connect_timeout=0.2, idle_timeout=0.5
        ) as client:
            with pytest.raises(InfrastructureError) as raised:
                await client.ask(MESSAGES)
        for one in waiting:
            one.close()
    assert raised.value.kind == "connect_timeout"


async def test_a_stalled_stream_is_given_up_after_the_idle_timeout() -> None:
    raised = await fault_of(Reply(fault="stall"), idle_timeout=0.3)
    assert (raised.kind, raised.fatal) == ("stalled", False)


async def test_a_server_that_says_nothing_is_stalled() -> None:
    assert (await fault_of(Reply(delay=5), idle_timeout=0.3)).kind == "stalled"
    assert (await fault_of(Reply(delay=5), request_timeout=0.3)).kind == "stalled"


async def test_a_model_that_is_still_generating_has_run_out_of_time() -> None:
    async with StubServer(Reply("left " * 50, chunks=200, gap=0.02)) as server:
        reply = await ask(server, request_timeout=0.4)
    assert reply.timed_out
    assert reply.text.startswith("left")
    assert reply.latency.total == pytest.approx(0.4, abs=0.2)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (events(*BASE), "cut"),
        (events("[DONE]"), "empty"),
        (b"\n\n", "empty"),
        (b"<html>Welcome</html>", "malformed"),
        (b'{"choices": []}', "malformed"),
        (b'{"choices": [3]}', "malformed"),
        (b"[1, 2]", "malformed"),
        (events("[1]"), "malformed"),
        (events(*BASE, '{"choices": 3}'), "malformed"),
        (events(*BASE, {"error": {"message": "overloaded", "code": 502}}), "http_502"),
        (events(*BASE, {"error": {"message": "worker died"}}), "http_500"),
        (b'error: {"error": {"message": "slot"}}\n\n', "http_500"),
        (b'{"error": {"message": "rate limited", "code": 429}}', "rate_limited"),
        (events(delta("error")), "http_500"),
        (b"data: " + b"\xff\xfe\n\n", "malformed"),
    ],
)
async def test_broken_bodies(body: bytes, kind: str) -> None:
    raised = await fault_of(Reply(body=body))
    assert (raised.kind, raised.fatal) == (kind, False)


@pytest.mark.parametrize(
    ("status", "message", "kind", "says"),
    [
        (401, "Incorrect API key provided", "unauthorized", "key"),
        (403, "Forbidden", "unauthorized", "key"),
        (402, "Insufficient credits", "quota", "credit"),
        (429, "You exceeded your current quota, please check your plan and billing details", "quota", "credit"),
        (400, "This model's maximum context length is 8192 tokens", "context_length", "--history"),
        (400, "exceed_context_size_error", "context_length", "--history"),
        (500, "prompt is longer than the context length", "context_length", "--history"),
        (400, "xyz is not a valid model ID", "unknown_model", "model"),
        (404, "Not Found", "unknown_model", "URL"),
        (422, "temperature: extra fields not permitted", "bad_request", "temperature"),
        (413, "too large", "bad_request", "413"),
    ],
)
async def test_faults_that_will_not_pass(status: int, message: str, kind: str, says: str) -> None:
    body = json.dumps({"error": {"message": message}})
    raised = await fault_of(Reply(body=body, status=status))
    assert (raised.kind, raised.fatal) == (kind, True)
    assert says in str(raised)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid content type. image_url is only supported by certain models."),
        (404, "No endpoints found that support image input"),
        (400, "unknown variant `image_url`, expected `text`"),
        (400, "At most 0 image(s) may be provided in one prompt."),
        (400, "stub is not a multimodal model"),
        (422, "messages.0.content: Input should be a valid string"),
        (500, "this model is missing data required for image input"),
        (500, "This model does not support images"),
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    ],
)
async def test_missing_vision_is_told_from_other_faults(status: int, message: str) -> None:
    reply = Reply(body=json.dumps({"error": {"message": message}}), status=status)
    raised = await fault_of(reply, WITH_IMAGE)
    assert (raised.kind, raised.fatal) == ("no_vision", True)
    assert "--observation text" in str(raised)
    assert (await fault_of(reply)).kind != "no_vision"


async def test_an_unknown_model_is_answered_with_the_closest() -> None:
    async with (
        StubServer(models=["llama-3.1-8b", "qwen3-4b"]) as server,
        ChatClient(server.base_url, None, "lama-3.1-8b") as client,
    ):
        with pytest.raises(InfrastructureError, match=r"Did you mean 'llama-3.1-8b'\?.*qwen3-4b") as raised:
            await client.ask(MESSAGES)
    assert (raised.value.kind, raised.value.fatal) == ("unknown_model", True)


async def test_keys_never_show(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"api-key": "other-secret"}
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}; Bearer other-secret; passw0rd"}})
    async with StubServer(Reply(body=body, status=401)) as server:
        url = server.base_url.replace("http://", "http://user:passw0rd@")
        async with ChatClient(url, KEY, "m", extra_headers=headers) as client:
            with pytest.raises(InfrastructureError) as raised:
                await client.ask(MESSAGES)
            trace = "".join(traceback.format_exception(raised.value))
            shown = f"{raised.value!r} {client!r} {client.where} {trace} {caplog.text}"
    assert "***; Bearer ***; ***" in shown
    for secret in (KEY, "other-secret", "passw0rd"):
        assert secret not in shown


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}\x00\x1b", f"{KEY[:9]}\n{KEY[9:]}", f"{KEY}'\"\\\r"])
async def test_a_key_that_cannot_be_sent_does_not_show(key: str) -> None:
    async with StubServer() as server:
        for options in ({"api_key": key}, {"api_key": None, "extra_headers": {"api-key": key}}):
            async with ChatClient(server.base_url, model="m", **options) as client:
                with pytest.raises(InfrastructureError, match="no usable URL") as raised:
                    await client.ask(MESSAGES)
            assert raised.value.fatal and "secret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("before", range(240, 320, 4))
async def test_no_part_of_a_key_is_left_by_cutting(before: int) -> None:
    raised = await fault_of(Reply("x" * before + f" {KEY}", status=401))
    assert "sk-" not in str(raised)


@pytest.mark.parametrize("error", [httpx2.ConnectError, httpx2.InvalidURL])
def test_no_part_of_a_key_is_left_in_what_a_library_says(error: type[Exception]) -> None:
    fault = from_exception(
        error("x" * 290 + f" {KEY} \x1b[2J"), where="w", began=False, redact=lambda text: text.replace(KEY, "***")
    )
    assert "sk-" not in str(fault) and "***" in str(fault)
    assert str(fault).isprintable()


HOSTILE = "\x1b]0;title\x07\x1b[31mevil\u202e\u2066\x9b\r\nX-Y: z\ud800"


@pytest.mark.parametrize("status", [400, 401, 402, 404, 429, 500])
async def test_what_a_server_says_cannot_act_on_a_terminal(status: int) -> None:
    raised = await fault_of(Reply(HOSTILE, status=status))
    assert str(raised).isprintable()
    assert r"\x1b[31mevil\u202e" in str(raised)


async def test_names_that_a_server_lists_cannot_act_on_a_terminal() -> None:
    async with StubServer(models=[HOSTILE, KEY]) as server:
        with pytest.raises(InfrastructureError, match="It lists") as raised:
            await ask(server)
    assert str(raised.value).isprintable()
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:1", "nonsense://x"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_proxy_stands_before_this_machine(
    variable: str, proxy: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy)
    async with (
        StubServer() as server,
        ChatClient(server.base_url.replace("127.0.0.1", host), None, "m") as client,
    ):
        assert (await client.ask(MESSAGES)).text


async def test_a_proxy_is_used_for_other_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StubServer(Reply(fault="http_429")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        async with ChatClient("http://no-such-host.invalid/v1", None, "m") as client:
            with pytest.raises(InfrastructureError) as raised:
                await client.ask(MESSAGES)
    assert raised.value.kind != "dns"


@pytest.mark.parametrize(("proxy", "says"), [("socks5://u:hunter2@h:1", "socksio"), ("x://u:hunter2@h", "http://HOST")])
def test_a_proxy_that_cannot_be_used_is_explained(proxy: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if says == "socksio" and find_spec("socksio"):
        pytest.skip("SOCKS works here")
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match=says) as raised:
        ChatClient("http://no-such-host.invalid/v1", None, "m")
    assert "hunter2" not in str(raised.value)


async def test_a_key_in_the_url_is_refused_other_queries_are_sent() -> None:
    with pytest.raises(UsageError, match="'api_key'"):
        ChatClient("http://127.0.0.1:1/v1?api_key=abc", None, "m")
    async with StubServer() as server, ChatClient(f"{server.base_url}?api-version=1", None, "m") as client:
        with pytest.raises(InfrastructureError):  # the stub knows paths without a query only
            await client.ask(MESSAGES)
        assert client.where == server.base_url


async def test_user_and_password_become_basic_authentication() -> None:
    async with (
        StubServer() as server,
        ChatClient(server.base_url.replace("//", "//u:p%40ss@"), None, "m") as client,
    ):
        await client.ask(MESSAGES)
    assert server.requests[0].headers["authorization"] == "Basic dTpwQHNz"


async def test_cancelling_a_request_closes_it() -> None:
    async with StubServer(Reply(delay=10)) as server, ChatClient(server.base_url, None, "m") as client:
        asking = asyncio.create_task(client.ask(MESSAGES))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await asyncio.wait_for(client.models(), 5)) == ["stub"]


async def test_a_server_that_keeps_a_finished_stream_open_is_not_waited_for() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + events(*BASE, delta("stop")))
        await asyncio.sleep(20)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with ChatClient(f"http://127.0.0.1:{port}/v1", None, "m") as client:
        reply = await asyncio.wait_for(client.ask(MESSAGES), 10)
    server.close()
    assert (reply.text, reply.finish_reason, reply.timed_out) == ("left", "stop", False)
    assert reply.latency.total < 1


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"temperature": 3}, {"top_p": 0}, {"top_p": 2}, {"max_tokens": 0}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Sampling(**bad)
