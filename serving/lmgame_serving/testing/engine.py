"""A stand-in for a vLLM engine: `python -m lmgame_serving.testing.engine serve MODEL --port …`, with vLLM's flags.

It answers what the backend asks an engine (chat completions, health, models, metrics by vLLM 0.26's names), moves a
prompt's "KV cache" from engine to engine as NixlConnector and ExampleConnector do, and has a child process, as a real
engine has, that outlives it. Answers are always the same text. Unlike vLLM it is up in a moment, and it goes wrong as
told: by files in the folder that the environment's LMGAME_STUB names, or by `POST /stub`.

Files of that folder, by role (`prefill`, `decode` or `colocated`), all optional:

- `ROLE.json`: a `Behaviour`, read at each start.
- `ROLE.starts`: written by the engines, a line for each start: its port and process id.
"""

import argparse
import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
from aiohttp import web

from lmgame_serving.testing.behaviour import Behaviour


def parser() -> argparse.ArgumentParser:
    """The flags that matter here; all others are taken, too, and mean nothing."""
    made = argparse.ArgumentParser(prog="python -m lmgame_serving.testing.engine", allow_abbrev=False)
    made.add_argument("command", nargs="?")
    made.add_argument("folder", nargs="?")
    made.add_argument("--model", default="stub")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8000)
    made.add_argument("--served-model-name", nargs="+", default=[])
    made.add_argument("--block-size", type=int, default=16)
    made.add_argument("--kv-transfer-config", type=json.loads, default={})
    return made


def role_of(transfer: dict[str, Any]) -> str:
    """An engine's role: from its name in the backend's environment, else from `--kv-transfer-config`."""
    named = os.environ.get("LMGAME_ENGINE", "").partition("-")[0]
    return named or {"kv_producer": "prefill", "kv_consumer": "decode"}.get(transfer.get("kv_role", ""), "colocated")


class StubEngine:
    """The engine. Its KV caches are named by request; `GET /stub/kv/ID` pulls one, and it is gone then."""

    def __init__(self, arguments: argparse.Namespace, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._arguments = arguments
        self._transfer: dict[str, Any] = arguments.kv_transfer_config
        self._role = role_of(self._transfer)
        self._name = (arguments.served_model_name or [arguments.folder or arguments.model])[0]
        self._key = os.environ.get("VLLM_API_KEY")
        self._id = uuid.uuid4().hex
        self._caches: set[str] = set()
        self._known: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._client: aiohttp.ClientSession

    def application(self) -> web.Application:
        """What it answers."""
        application = web.Application(client_max_size=64 * 1024**2)
        application.add_routes(
            [
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/stub", self._control),
                web.get("/stub/kv/{id}", self._pull),
            ]
        )
        application.cleanup_ctx.append(self._with_client)
        return application

    async def _with_client(self, application: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as self._client:
            yield

    async def _control(self, request: web.Request) -> web.Response:
        try:
            self.behaviour.change(await request.json())
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        return web.Response()

    async def _health(self, request: web.Request) -> web.Response:
        if self.behaviour.fault == "hang_health":
            await asyncio.Event().wait()
        return web.Response(status=503 if self.behaviour.fault == "ill_health" else 200)

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        return web.json_response({"object": "list", "data": [{"id": self._name, "object": "model"}]})

    async def _metrics(self, request: web.Request) -> web.Response:
        labels = f'engine="0",model_name="{self._name}"'
        lines = ["# HELP vllm:prompt_tokens_by_source_total Number of prompt tokens by source."]
        lines.append("# TYPE vllm:prompt_tokens_by_source_total counter")
        for source in ("local_compute", "local_cache_hit", "external_kv_transfer"):
            value = float(self._counts[source])
            lines.append(f'vllm:prompt_tokens_by_source_total{{{labels},source="{source}"}} {value}')
        lines.append("# TYPE vllm:request_success_total counter")
        for reason in ("stop", "length", "abort", "error"):
            lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {self._counts[reason]}.0')
        for name in ("prompt_tokens", "generation_tokens"):
            lines += [f"# TYPE vllm:{name}_total counter", f"vllm:{name}_total{{{labels}}} {self._counts[name]}.0"]
        lines.append("# TYPE vllm:time_to_first_token_seconds histogram")
        lines.append(f'vllm:time_to_first_token_seconds_bucket{{{labels},le="+Inf"}} {self._counts["prompts"]}.0')
        lines.append(f"vllm:time_to_first_token_seconds_count{{{labels}}} {self._counts['prompts']}.0")
        lines.append(f"vllm:time_to_first_token_seconds_sum{{{labels}}} 0.0")
        if self._transfer.get("kv_connector") == "NixlConnector":
            lines += ["# TYPE vllm:nixl_bytes_transferred histogram"]
            transfers = self._counts["transfers"]
            lines.append(f'vllm:nixl_bytes_transferred_bucket{{{labels},le="+Inf"}} {transfers}.0')
            lines.append(f"vllm:nixl_bytes_transferred_count{{{labels}}} {transfers}.0")
            lines.append(f"vllm:nixl_bytes_transferred_sum{{{labels}}} {self._counts['bytes']}.0")
            lines.append("# TYPE vllm:nixl_num_failed_transfers_total counter")
            lines.append(f"vllm:nixl_num_failed_transfers_total{{{labels}}} {self._counts['failed']}.0")
        return web.Response(text="\n".join([*lines, ""]))

    async def _pull(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self._caches:
            return web.Response(status=404)
        self._caches.remove(request.match_info["id"])
        return web.Response()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        asked = await request.json()
        if asked.get("model") != self._name:
            return _error(404, f"The model `{asked.get('model')}` does not exist.")
        fault = self._next_fault()
        if fault == "die_before":
            _die()
        await asyncio.sleep(self.behaviour.prefill_seconds)
        if fault == "die_during":
            _die()
        if fault == "stall":
            await asyncio.Event().wait()
        if fault == "error":
            return _error(500, "The stub was told to fail.")
        tokens, digest = self._tokens(asked["messages"])
        if tokens > (self.behaviour.longest or tokens):
            return _error(400, f"The prompt is longer than {self.behaviour.longest} tokens.")
        params = asked.get("kv_transfer_params") or {}
        if not await self._compute(tokens, digest, params, fault):
            if asked.get("stream"):  # vLLM 0.26 says nothing of it: an answer without a token, and without a reason
                return await self._stream(
                    request, asked, [], "", {"prompt_tokens": tokens, "total_tokens": tokens}, None
                )
            return _error(500, "The KV cache did not arrive.")
        shortened = asked.get("max_tokens") == 1 or asked.get("max_completion_tokens") == 1
        returned = self._offer(tokens, params)
        pieces = _pieces(self.behaviour.text, self.behaviour.chunks)[: 1 if shortened else None]
        finish = "length" if shortened else "stop"
        usage = {"prompt_tokens": tokens, "completion_tokens": len(pieces), "total_tokens": tokens + len(pieces)}
        self._counts[finish] += 1
        self._counts["generation_tokens"] += len(pieces)
        if asked.get("stream"):
            return await self._stream(request, asked, pieces, finish, usage, fault)
        message = {"role": "assistant", "content": "".join(pieces)}
        document = {
            "id": "chatcmpl-stub",
            "object": "chat.completion",
            "created": 0,
            "model": self._name,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": usage,
            "kv_transfer_params": returned,
        }
        response = web.json_response(document)
        if fault == "die_after":
            await response.prepare(request)
            await response.write_eof()
            _die()
        return response

    async def _stream(
        self,
        request: web.Request,
        asked: dict[str, Any],
        pieces: list[str],
        finish: str,
        usage: dict[str, int],
        fault: str | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)

        async def send(choices: list[dict[str, Any]], **more: Any) -> None:
            common = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 0, "model": self._name}
            await response.write(b"data: " + json.dumps({**common, "choices": choices, **more}).encode() + b"\n\n")

        await send([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for number, piece in enumerate(pieces, 1):
            last = finish if number == len(pieces) else None
            await send([{"index": 0, "delta": {"content": piece}, "finish_reason": last}])
            if number == len(pieces) // 2:
                if fault == "die_in_stream":
                    _die()
                if fault == "stall_in_stream":
                    await asyncio.Event().wait()
            await asyncio.sleep(self.behaviour.gap)
        if (asked.get("stream_options") or {}).get("include_usage"):
            await send([], usage=usage)
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        if fault == "die_after":
            _die()
        return response

    def _next_fault(self) -> str | None:
        behaviour = self.behaviour
        if behaviour.times is not None:
            if behaviour.times <= 0:
                return None
            behaviour.times -= 1
        return behaviour.fault

    def _tokens(self, messages: list[dict[str, Any]]) -> tuple[int, str]:
        """How long a prompt is, and what it is known by."""
        words, images, digest = 0, 0, hashlib.sha256()
        for message in messages:
            content = message.get("content") or ""
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                if part["type"] == "text":
                    if self.behaviour.text_tokens:
                        words += len(part["text"].split())
                        digest.update(part["text"].encode())
                else:
                    images += 1
                    digest.update(json.dumps(part).encode())
        tokens = int(words * self.behaviour.text_tokens) + images * self.behaviour.image_tokens + 4
        return tokens, digest.hexdigest()

    async def _compute(self, tokens: int, digest: str, params: dict[str, Any], fault: str | None) -> bool:
        """Get the prompt's KV cache from wherever it is; False if it didn't arrive."""
        known = tokens - 1 if digest in self._known else 0
        self._known.add(digest)
        external = 0
        if not known and fault != "local_prefill" and self._role == "decode":
            arrived = await self._receive(tokens, digest, params, fault)
            if arrived is None:
                self._counts["failed"] += 1
                self._counts["error"] += 1
                return False
            external = min(arrived, tokens - 1)
        elif self._role == "prefill" and (shared := self._shared()):
            (shared / digest).touch()
        self._counts["local_cache_hit"] += known
        self._counts["external_kv_transfer"] += external
        self._counts["local_compute"] += tokens - known - external
        self._counts["prompt_tokens"] += tokens
        self._counts["prompts"] += 1
        return True

    async def _receive(self, tokens: int, digest: str, params: dict[str, Any], fault: str | None) -> int | None:
        """Tokens that came from a prefill engine; None if a transfer failed."""
        if shared := self._shared():
            saved = shared / digest
            size = self._arguments.block_size
            found = saved.exists() and tokens != self.behaviour.missed_tokens
            return tokens // size * size if found else 0
        if not params.get("do_remote_prefill"):
            return 0
        if fault == "fail_transfer":
            return None
        url = f"http://{params['remote_host']}:{params['remote_port']}/stub/kv/{params['remote_request_id']}"
        try:
            async with self._client.get(url) as response:
                response.raise_for_status()
        except aiohttp.ClientError:
            return None
        self._counts["transfers"] += 1
        self._counts["bytes"] += tokens * 1024
        return tokens

    def _offer(self, tokens: int, params: dict[str, Any]) -> dict[str, Any] | None:
        """What a prefill engine answers so that a decode engine finds the prompt's KV cache."""
        if not params.get("do_remote_decode") or self._transfer.get("kv_connector") != "NixlConnector":
            return None
        request = f"chatcmpl-{uuid.uuid4().hex}"
        self._caches.add(request)
        return {
            "do_remote_prefill": True,
            "do_remote_decode": False,
            "remote_block_ids": [list(range(-(-tokens // self._arguments.block_size)))],
            "remote_engine_id": self._id,
            "remote_request_id": request,
            "remote_host": "127.0.0.1",
            "remote_port": self._arguments.port,
            "tp_size": 1,
        }

    def _shared(self) -> Path | None:
        if self._transfer.get("kv_connector") != "ExampleConnector":
            return None
        folder = Path(self._transfer["kv_connector_extra_config"]["shared_storage_path"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _error(status: int, message: str) -> web.Response:
    error = {"message": message, "type": "stub", "code": status}
    return web.json_response({"error": error}, status=status)


def _pieces(text: str, n: int) -> list[str]:
    size = max(1, -(-len(text) // n))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _behaviour(role: str, port: int) -> Behaviour:
    """What the folder says of a role, and whether this start is one that fails."""
    behaviour = Behaviour()
    if not (named := os.environ.get("LMGAME_STUB")):
        return behaviour
    folder = Path(named)
    with (folder / f"{role}.starts").open("a+") as starts:
        starts.write(f"{port} {os.getpid()}\n")
        starts.seek(0)
        count = len(starts.readlines())
    with suppress(FileNotFoundError):
        behaviour.change(json.loads((folder / f"{role}.json").read_text()))
    if behaviour.start_faults is not None and count > behaviour.start_faults:
        behaviour.start_fault = None
    return behaviour


def main() -> None:
    """Serve until stopped."""
    arguments, _ = parser().parse_known_args()
    behaviour = _behaviour(role_of(arguments.kv_transfer_config), arguments.port)
    print(f"INFO [stub] Loading weights of {arguments.folder or arguments.model}", flush=True)
    time.sleep(behaviour.start_delay)
    # Real engines compute in processes of their own, which must not be left behind.
    with subprocess.Popen(["sleep", "86400"], stdin=subprocess.DEVNULL) as child:
        try:
            if behaviour.start_fault:
                raise RuntimeError(behaviour.start_fault)
            listening = socket.create_server((arguments.host, arguments.port), backlog=512)
            if behaviour.ignore_sigterm:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            web.run_app(
                StubEngine(arguments, behaviour).application(),
                sock=listening,
                handle_signals=not behaviour.ignore_sigterm,
                shutdown_timeout=0.5,
                access_log=None,
                handler_cancellation=True,
                print=lambda *_: print("INFO [stub] Application startup complete.", flush=True),
            )
        finally:
            child.kill()


if __name__ == "__main__":
    sys.exit(main())
