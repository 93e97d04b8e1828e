"""What is found out before any engine is started."""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from lmgame_common import EndpointError, UsageError
from lmgame_serving.backend import preflight
from lmgame_serving.backend.preflight import check
from lmgame_serving.backend.profile import load_profile
from lmgame_serving.pico_engine import FOLDER
from lmgame_serving.testing.machine import Machine, make_machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the backend runs on Linux only")

PICO = str(FOLDER)
FREE = "gateway.port=0"


def test_what_is_there_is_told(machine: Machine) -> None:
    found = check(load_profile("pd", [FREE]), PICO, str(machine.python))
    assert (found.vllm_version, found.versions["nixl"], found.flashinfer) == ("0.26.0", "1.5.1", False)
    assert [gpu.index for gpu in found.gpus] == [0, 1]
    assert found.python == str(machine.python) and found.notes == []
    assert found.facts.takes_images and found.facts.heads == 4


def test_another_version_of_vllm_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_machine(tmp_path, gpus=1, vllm="0.32.0")
    monkeypatch.setenv("PATH", made.environment["PATH"])
    found = check(load_profile("colocated", [FREE]), PICO, made.python.name)  # by its name on PATH
    assert found.python == str(made.python)
    assert "vLLM 0.32.0 is installed; lmgame was tried with 0.26.x" in found.notes[0]


def test_an_interpreter_without_vllm_is_told_how_to_get_it(machine: Machine, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(UsageError, match=r"python has no vLLM\..*uv pip install 'lmgame\[serve\]'.*--vllm-python"):
        check(load_profile("pd", [FREE]), PICO, str(bare))


def test_nixl_is_wanted_where_it_is_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_versions", lambda python: {"vllm": "0.26.0", "nixl": None})
    with pytest.raises(UsageError, match=r"has no NIXL.*--profile colocated"):
        check(load_profile("pd", [FREE]), PICO, str(machine.python))
    check(load_profile("colocated", [FREE]), PICO, str(machine.python))
    check(load_profile("pd-cpu", [FREE]), PICO, str(machine.python))


def test_an_interpreter_that_is_none_is_told(machine: Machine, tmp_path: Path) -> None:
    profile = load_profile("pd", [FREE])
    with pytest.raises(UsageError, match="There is no interpreter '/nowhere/python'"):
        check(profile, PICO, "/nowhere/python")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'libpython is missing' >&2\nexit 9\n")
    broken.chmod(0o755)
    with pytest.raises(UsageError, match="exit code 9 when asked what it has installed: libpython is missing"):
        check(profile, PICO, str(broken))
    broken.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(UsageError, match="can't be asked"):
        check(profile, PICO, str(broken))


def test_cpus_need_no_nvidia_smi(machine: Machine) -> None:
    (machine.programs / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert check(load_profile("pd-cpu", [FREE]), PICO, str(machine.python)).gpus == []
    with pytest.raises(EndpointError, match="nvidia-smi failed"):
        check(load_profile("pd", [FREE]), PICO, str(machine.python))


def test_too_few_gpus_are_found_out(machine: Machine) -> None:
    with pytest.raises(UsageError, match="need 3 GPUs, and only 2 are there"):
        check(load_profile("pd", [FREE, "decode=2"]), PICO, str(machine.python))


def test_a_taken_port_is_found_out(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EndpointError, match=f"Nothing can listen at 127.0.0.1:{port}.*--port 0"):
            check(load_profile("pd", [f"gateway.port={port}"]), PICO, str(machine.python))
    with pytest.raises(EndpointError, match=r"Nothing can listen at 203\.0\.113\.1:0"):
        check(load_profile("pd", [FREE, 'gateway.host="203.0.113.1"']), PICO, str(machine.python))


def test_a_model_that_cannot_be_read_is_found_out(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(model: Path | str, told: str, *overrides: str) -> None:
        with pytest.raises(UsageError, match=told):
            check(load_profile("pd", [FREE, *overrides]), str(model), str(machine.python))

    folder = tmp_path / "model"
    refused(folder, "There is no folder")
    folder.mkdir()
    refused(folder, "holds no model: its config.json is missing")
    (folder / "config.json").write_text("{torn")
    refused(folder, "holds no model")
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": 6}))
    refused(folder, "has no weights.*--set engine.load_format=dummy")
    refused(folder, "6 attention heads, which 4 GPUs", "engine.load_format=dummy", "tensor_parallel_size=4")
    check(load_profile("pd", [FREE, "engine.load_format=dummy"]), str(folder), str(machine.python))
    refused("some/model/too/deep", "There is no folder 'some/model/too/deep'")
    check(load_profile("pd", [FREE]), "some/model", str(machine.python))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    refused("some/model", "isn't on this machine, and HF_HUB_OFFLINE forbids")


@pytest.mark.parametrize(
    ("free", "overrides", "told"),
    [
        (40, [], r"GPU 0 \(Stub GPU\) has 40.0 GiB of 80.0 GiB free, and the engine prefill-0 wants 92% of it: 73.6"),
        (40, ["engine.gpu_memory_utilization=0.6"], "wants 60% of it"),
        (40, ["engine.gpu_memory_utilization=0.4"], None),
        (40, ["engine.kv_cache_memory_bytes=50G"], "its KV cache and weights: 50.0"),
        (40, ["engine.kv_cache_memory_bytes=30G"], None),
    ],
)
def test_memory_that_others_use_is_found_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, free: int, overrides: list[str], told: str | None
) -> None:
    script = machine.programs / "nvidia-smi"
    lines = "\n".join(f"{n}, GPU-{n}, Stub GPU, {80 * 1024}, {free * 1024}, Disabled" for n in range(2))
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    profile = load_profile("pd", [FREE, *overrides])
    if told is None:
        check(profile, PICO, str(machine.python))
        return
    with pytest.raises(EndpointError, match=told):
        check(profile, PICO, str(machine.python))


def test_weights_larger_than_the_gpu_are_found_out(machine: Machine, tmp_path: Path) -> None:
    config: dict[str, Any] = {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80}
    config |= {"num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256}  # 70 thousand million
    (tmp_path / "config.json").write_text(json.dumps(config))
    overrides = [FREE, "engine.load_format=dummy"]
    with pytest.raises(EndpointError, match=r"weights take 131\.\d GiB of a GPU.*--tensor-parallel-size"):
        check(load_profile("colocated", overrides), str(tmp_path), str(machine.python))
    check(load_profile("colocated", [*overrides, "tensor_parallel_size=2"]), str(tmp_path), str(machine.python))


def test_other_systems_are_told_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match=r"run on Linux, and this is darwin.*--model pico"):
        check(load_profile("pd"), PICO, "python3")
