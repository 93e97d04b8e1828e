"""The recipe's local.sh with the real Dynamo: its frontend and, for want of a GPU, its mock engine."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from lmgame_serving.backend.profile import Profile
from lmgame_serving.dynamo import export

PYTHON = os.environ.get("LMGAME_TEST_DYNAMO_PYTHON")
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason=os.environ.get("LMGAME_TEST_DYNAMO_MISSING", "needs LMGAME_TEST_DYNAMO_PYTHON, which .ci/dynamo sets"),
)
PROFILE = Profile.model_validate({"shape": "pd", "prefill": 1, "decode": 2, "engine": {"block_size": 16}})
WORDS = 4096
"""The mock engine answers with tokens between 1000 and 2000."""
TEMPLATE = (
    "{% for message in messages %}{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{{ part.text if part.type == 'text' else '<image>' }} {% endfor %}"
    "{% endif %} {% endfor %}"
)


def _write_model(folder: Path) -> None:
    """What the frontend wants of a model: its shape and a tokenizer that cuts at spaces."""
    vocabulary = {"<unk>": 0, "<end>": 1, "<image>": 2} | {f"word{number}": number for number in range(3, WORDS)}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    files: dict[str, Any] = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "num_hidden_layers": 2,
            "max_position_embeddings": 8192,
            "vocab_size": WORDS,
            "eos_token_id": 1,
        },
        "generation_config.json": {"eos_token_id": 1},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<end>",
            "unk_token": "<unk>",
            "chat_template": TEMPLATE,
        },
        "tokenizer.json": {
            "version": "1.0",
            "added_tokens": [
                {"id": number, "content": word} | special for word, number in list(vocabulary.items())[:3]
            ],
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
        },
    }
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


def _free_ports(count: int) -> int:
    """The first of as many free ports in a row."""
    for first in range(21000 + os.getpid() % 5000, 32000, count):
        try:
            for port in range(first, first + count):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


@dataclass
class Deployment:
    """The exported recipe in a folder, and what its script starts."""

    folder: Path
    first: int = field(default_factory=lambda: _free_ports(8))

    def __post_init__(self) -> None:
        _write_model(self.folder / "model")
        export(PROFILE, model=str(self.folder / "model"), served_name="mock", out=self.folder / "out")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.first}"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def environment(self) -> dict[str, str]:
        assert PYTHON
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHON": PYTHON,
            "MOCK": "1",
            "PORT": str(self.first),
            "SYSTEM_PORT": str(self.first + 1),
            "SIDE_CHANNEL_PORT": "40000",
            "STATE": str(self.state),
            "START_SECONDS": "60",
            "STOP_SECONDS": "10",
        }

    async def run(self, *words: str, **variables: str) -> Process:
        script = str(self.folder / "out/local.sh")
        return await asyncio.create_subprocess_exec(
            script, *words, env=self.environment | variables, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )

    def processes(self) -> list[psutil.Process]:
        """Everything that runs because of this deployment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("STATE") == str(self.state) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def worker(self, number: int) -> psutil.Process:
        port = str(self.first + 1 + number)
        (found,) = (one for one in self.processes() if one.environ().get("DYN_SYSTEM_PORT") == port)
        return found

    async def served(self, number: int) -> int:
        """Requests that a worker has had; 0 while it doesn't answer."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            try:
                metrics = (await client.get(f"http://127.0.0.1:{self.first + 1 + number}/metrics")).text
            except httpx2.HTTPError:
                return 0
        found = re.findall(r'^dynamo_component_requests_total\{.*dynamo_endpoint="generate".*\} (\d+)', metrics, re.M)
        return sum(map(int, found))


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    while not await true():
        await asyncio.sleep(0.1)


async def _said(process: Process, words: str) -> str:
    """What a process said until some words came."""
    assert process.stdout
    said = b""
    while line := await process.stdout.readline():
        said += line
        if words in line.decode():
            break
    return said.decode()


@asynccontextmanager
async def _started(folder: Path) -> AsyncIterator[tuple[Deployment, Process]]:
    deployment = Deployment(folder)
    script = await deployment.run()
    try:
        async with asyncio.timeout(70):
            said = await _said(script, "Play: ")
        assert f"Ready: {deployment.url}/v1" in said, said
        yield deployment, script
    finally:
        if script.returncode is None:
            script.terminate()
            async with asyncio.timeout(30):
                await script.communicate()
        for process in (left := deployment.processes()):
            process.kill()
        assert not left


async def _play(deployment: Deployment, out: Path, *, first_seed: int, tokens: int) -> dict[str, Any]:
    words = f"-m lmgame play --model {deployment.url}/v1#mock --game tetris --observation image --json"
    limits = f"--seed {first_seed} --episodes 8 --concurrency 8 --max-decisions 4 --max-tokens {tokens} --out {out}"
    player = await asyncio.create_subprocess_exec(
        sys.executable, *words.split(), *limits.split(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        output, errors = await player.communicate()
    finally:
        if player.returncode is None:
            player.kill()
            await player.wait()
    assert player.returncode == 0, errors.decode()
    return json.loads(output)


def _decisions(run: dict[str, Any]) -> list[int]:
    return [episode["decisions"] for episode in run["episodes"]]


async def test_games_go_on_while_workers_go_and_come(tmp_path: Path) -> None:
    async with asyncio.timeout(150), _started(tmp_path) as (deployment, script):
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(_play(deployment, tmp_path / "run", first_seed=0, tokens=200))

            async def busy() -> bool:
                return await deployment.served(1) >= 2 and await deployment.served(2) >= 2

            await _until(busy)  # both decode workers have had some requests, and are at the next ones
            deployment.worker(2).kill()
            said = await _said(script, "starting it again")
            assert "decode-2 ended with code 137" in said
        run = playing.result()
        assert _decisions(run) == [4] * 8
        assert sum(episode["infrastructure_faults"] for episode in run["episodes"]) > 0
        assert {verdict for episode in run["episodes"] for verdict in episode["verdicts"]} <= {
            "truncated",
            "unparsable",
        }

        before = await deployment.served(0)
        more = await deployment.run("worker", "decode", "3")
        try:

            async def known() -> bool:
                async with httpx2.AsyncClient(trust_env=False) as client:
                    instances = (await client.get(f"{deployment.url}/health")).json()["instances"]
                there = [one for one in instances if (one["component"], one["endpoint"]) == ("backend", "generate")]
                return len(there) == 3

            await _until(known)
            assert _decisions(await _play(deployment, tmp_path / "more", first_seed=100, tokens=50)) == [4] * 8
            assert await deployment.served(3) > 0  # the new one
            assert await deployment.served(2) > 0  # the one that was started again
            assert await deployment.served(0) >= before + 32  # and every prompt went through prefill
        finally:
            more.terminate()
            await more.communicate()

        taken = await deployment.run()
        output, _ = await taken.communicate()
        assert taken.returncode == 1 and f"Port {deployment.first} (the frontend) is taken" in output.decode()

        script.send_signal(signal.SIGINT)
        await script.communicate()
        assert script.returncode == 130
        assert not deployment.processes()
        assert not (deployment.state / "discovery").exists()


async def test_nothing_is_left_when_the_script_is_killed(tmp_path: Path) -> None:
    async with asyncio.timeout(90), _started(tmp_path) as (deployment, script):
        assert len(deployment.processes()) >= 5
        script.kill()
        await script.wait()

        async def gone() -> bool:
            return not deployment.processes()

        await _until(gone)


async def test_a_worker_that_cannot_start_is_heard(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    engines = tmp_path / "out/engines.sh"
    engines.write_text(engines.read_text().replace("BLOCK_SIZE=16", "BLOCK_SIZE=many"))
    async with asyncio.timeout(70):
        script = await deployment.run()
        output, _ = await script.communicate()
    said = output.decode()
    assert script.returncode == 1
    assert re.search(r"Error: (prefill|decode)-\d ended with code 2", said), said
    assert "invalid int value: 'many'" in said  # the engine's own words
    assert not deployment.processes()
