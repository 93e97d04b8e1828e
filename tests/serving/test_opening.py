"""Opening endpoints that need no engine, and giving up while one is fetched."""

import asyncio
import threading
import time

import pytest

from lmgame_common import EndpointError, UsageError
from lmgame_serving import PICO_GAMES, open_endpoint, resolve, smollm2
from lmgame_serving.testing import StubServer


async def test_a_remote_model_is_there_already():
    remote = resolve("http://127.0.0.1:9/v1#m", env={})
    async with open_endpoint(remote) as endpoint:
        assert endpoint is remote


async def test_a_server_with_one_model_needs_no_name():
    async with StubServer(models=["only"], api_key="k") as server:
        resolved = resolve(server.base_url, env={"LMGAME_API_KEY": "k"})
        async with open_endpoint(resolved) as endpoint:
            assert endpoint.model == "only"
            assert endpoint.name == server.base_url


async def test_a_server_whose_one_model_is_pico_has_a_reference():
    async with StubServer(models=["/models/pico"]) as server:
        resolved = resolve(server.base_url, env={})
        assert resolved.trained_on == ()
        async with open_endpoint(resolved) as endpoint:
            assert (endpoint.model, endpoint.trained_on, endpoint.reads_text) == ("/models/pico", PICO_GAMES, False)


async def test_a_server_with_several_models_lists_them():
    async with StubServer(models=["b", "a"]) as server:
        with pytest.raises(EndpointError, match=r"has 2 models; name one: http.*/v1#MODEL\. It has: a, b\."):
            async with open_endpoint(resolve(server.base_url, env={})):
                pass


async def test_a_server_that_cannot_be_asked():
    async with StubServer(api_key="right") as server:
        with pytest.raises(EndpointError, match="could not be asked") as caught:
            async with open_endpoint(resolve(server.base_url, env={"LMGAME_API_KEY": "wrong"})):
                pass
        assert "wrong" not in str(caught.value)
    with pytest.raises(EndpointError, match="could not be asked"):
        async with open_endpoint(resolve(server.base_url, env={})):
            pass


async def test_what_a_server_says_cannot_act_on_a_terminal():
    hostile = "\x1b]0;title\x07evil\u202e\ud800"
    for models in ([hostile], [hostile, "b"]):
        async with StubServer(models=models) as server:
            with pytest.raises(EndpointError, match=r"It has: .*\\x1b\]0;title\\x07evil\\u202e") as caught:
                async with open_endpoint(resolve(server.base_url, env={})):
                    pass
            assert str(caught.value).isprintable()


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:1"])
async def test_no_proxy_stands_before_this_machine(proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    async with StubServer(models=["only"]) as server, open_endpoint(resolve(server.base_url, env={})) as endpoint:
        assert endpoint.model == "only"


async def test_a_proxy_that_cannot_be_used_is_explained(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "nonsense://u:hunter2@h")
    with pytest.raises(UsageError, match="ALL_PROXY") as caught:
        async with open_endpoint(resolve("http://no-such-host.invalid/v1", env={})):
            pass
    assert "hunter2" not in str(caught.value)


async def test_cancelling_stops_the_fetch(monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def slow(report):
        try:
            while True:
                report("downloading", 1, 2)
                begun.set()
                time.sleep(0.01)
        finally:
            ended.set()

    async def use():
        async with open_endpoint(resolve("smollm2", env={})):
            pass

    monkeypatch.setattr(smollm2, "ensure", slow)
    task = asyncio.create_task(use())
    assert await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 5)
