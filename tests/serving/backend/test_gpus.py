"""GPUs as nvidia-smi tells of them: a script in its place says what it is to say."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lmgame_common import EndpointError, UsageError
from lmgame_serving.backend.gpus import Gpu, choose, find_gpus
from lmgame_serving.backend.profile import load_profile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for nvidia-smi")

TWO = """0, GPU-aaaa1111, NVIDIA H100 80GB HBM3, 81559, 80000, Disabled
1, GPU-bbbb2222, A name, with commas, 81559, 1000, [N/A]"""

type Say = Callable[[str], None]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def write(text: str) -> None:
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)

    return write


def listing(text: str) -> str:
    return f"cat <<'END'\n{text}\nEND"


def test_the_gpus_are_read(say: Say) -> None:
    say(listing(TWO))
    assert find_gpus() == [
        Gpu(0, "GPU-aaaa1111", "NVIDIA H100 80GB HBM3", 81559 * 2**20, 80000 * 2**20),
        Gpu(1, "GPU-bbbb2222", "A name, with commas", 81559 * 2**20, 1000 * 2**20),
    ]


def test_a_machine_without_a_driver_is_told_what_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EndpointError, match=r"no NVIDIA GPU here.*--model pico"):
        find_gpus()


def test_a_failure_of_the_driver_is_told_in_its_words(say: Say) -> None:
    say("echo 'Failed to initialize NVML: \033[31mmismatch' >&2; exit 18")
    with pytest.raises(EndpointError, match=r"exit code 18 and said: Failed to initialize NVML: \\x1b\[31mmismatch"):
        find_gpus()


def test_what_cannot_be_read_is_told(say: Say) -> None:
    say(listing("0, GPU-aaaa1111, H100, [GPU is lost], [GPU is lost], [N/A]"))
    with pytest.raises(EndpointError, match="GPU is lost"):
        find_gpus()


def test_gpus_cut_into_instances_are_left_out(say: Say) -> None:
    cut = TWO.replace("Disabled", "Enabled")
    say(listing(cut))
    assert [gpu.index for gpu in find_gpus()] == [1]
    say(listing(cut.splitlines()[0]))
    with pytest.raises(EndpointError, match="MIG"):
        find_gpus()


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("1", [1]), ("1,0", [1, 0]), ("GPU-bbbb", [1]), ("", []), ("-1", []), ("0,-1,1", [0])],
)
def test_the_callers_choice_of_gpus_is_heeded(say: Say, visible: str, seen: list[int]) -> None:
    say(listing(TWO))
    assert [gpu.index for gpu in find_gpus({"CUDA_VISIBLE_DEVICES": visible})] == seen


@pytest.mark.parametrize(("visible", "told"), [("7", "'7', which is no GPU"), ("GPU-", "no GPU"), ("MIG-1", "MIG")])
def test_a_choice_that_is_not_there_is_refused(say: Say, visible: str, told: str) -> None:
    say(listing(TWO))
    with pytest.raises(UsageError, match=told):
        find_gpus({"CUDA_VISIBLE_DEVICES": visible})


def gpus(count: int) -> list[Gpu]:
    return [Gpu(index, f"GPU-{index}", "H100", 80 * 2**30, 80 * 2**30) for index in range(count)]


def test_a_profile_takes_the_gpus_that_it_names_else_the_first() -> None:
    assert [gpu.index for gpu in choose(load_profile("pd"), gpus(4))] == [0, 1]
    assert [gpu.index for gpu in choose(load_profile("pd", ["gpus=[3, 1]"]), gpus(4))] == [3, 1]
    assert choose(load_profile("pd-cpu"), []) == []
    with pytest.raises(UsageError, match=r"names the GPU 5.*expected some of: 0, 1"):
        choose(load_profile("pd", ["gpus=[0, 5]"]), gpus(2))


@pytest.mark.parametrize(
    ("overrides", "count", "told"),
    [
        ([], 1, "need 2 GPUs, and only 1 is there.*--profile pd-shared.*--profile colocated with --replicas 1"),
        (["gpus=[1]"], 4, "only 1 is there"),
        ([], 0, "none is there.*--model pico"),
        (["tensor_parallel_size=4"], 6, "engines of 4 GPUs each need 8.*--replicas 1 takes 4"),
        (["tensor_parallel_size=4"], 2, "--tensor-parallel-size 2"),
    ],
)
def test_too_few_gpus_are_told_with_what_would_do(overrides: list[str], count: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        choose(load_profile("pd", overrides), gpus(count))
