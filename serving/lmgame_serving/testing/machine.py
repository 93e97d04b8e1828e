"""A machine with GPUs and vLLM that has neither: what the backend asks of them, answered by scripts in a folder."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_NVIDIA_SMI = """#!/bin/sh
# Answers nvidia-smi's CSV queries for {count} GPUs with {mebibytes} MiB each, all free.
for argument; do
  case "$argument" in
    --query-gpu=*) fields=$(echo "${{argument#--query-gpu=}}" | tr ',' ' ') ;;
    --query-*) exit 0 ;;
    --format=*nounits*) unit='' ;;
    --format=*) unit=' MiB' ;;
  esac
done
gpu=0
while [ "$gpu" -lt {count} ]; do
  line=''
  for field in $fields; do
    case "$field" in
      index) value=$gpu ;;
      uuid) value="GPU-00000000-0000-0000-0000-00000000000$gpu" ;;
      name) value='Stub GPU' ;;
      memory.total | memory.free) value="{mebibytes}$unit" ;;
      memory.used) value="0$unit" ;;
      compute_cap) value=9.0 ;;
      *) value='[N/A]' ;;
    esac
    line="$line${{line:+, }}$value"
  done
  echo "$line"
  gpu=$((gpu + 1))
done
"""
_PYTHON = """#!/bin/sh
# A Python that has vLLM, in a manner of speaking.
export PYTHONPATH="{packages}${{PYTHONPATH:+:$PYTHONPATH}}" PYTHONDONTWRITEBYTECODE='' PYTHONPYCACHEPREFIX='{bytecode}'
exec "{python}" "$@"
"""
_MAIN = """import runpy
runpy.run_module("lmgame_serving.testing.engine", run_name="__main__")
"""


@dataclass(frozen=True)
class Machine:
    """Where the scripts are."""

    python: Path
    """An interpreter that has the stub engine for a vLLM."""
    programs: Path
    """The folder of `nvidia-smi`, to come first on PATH."""
    stub: Path
    """The folder for the engines' behaviour, as `lmgame_serving.testing.engine` describes it."""

    @property
    def environment(self) -> dict[str, str]:
        """What has to be set in the environment of whoever starts a backend."""
        path = f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"
        return {"PATH": path, "LMGAME_STUB": str(self.stub)}


def make_machine(
    folder: Path, *, gpus: int = 2, gibibytes: int = 80, vllm: str = "0.26.0", bytecode: Path | None = None
) -> Machine:
    """Write a machine's scripts.

    Args:
        folder: Where to; it must exist.
        gpus: How many GPUs nvidia-smi lists, at most 10.
        gibibytes: The memory of each, all of it free.
        vllm: The version of vLLM.
        bytecode: A folder that machines share, so that their engines needn't compile Python's modules each time.
    """
    packages, programs, stub = folder / "packages", folder / "bin", folder / "stub"
    for made in (packages, programs, stub):
        made.mkdir()
    for name, version in {"vllm": vllm, "nixl": "1.5.1", "nixl-cu13": "1.5.1", "torch": "2.11.0"}.items():
        module = name.replace("-", "_")
        (packages / module).mkdir()
        (packages / module / "__init__.py").write_text(f"__version__ = {version!r}\n")
        information = packages / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for module in ("cli/main.py", "openai/api_server.py"):
        path = packages / "vllm" / "entrypoints" / module
        path.parent.mkdir(parents=True)
        path.write_text(_MAIN)
    bytecode = bytecode or folder / "bytecode"
    script = _PYTHON.format(packages=packages, python=sys.executable, bytecode=bytecode)
    python = _script(programs / "vllm-python", script)
    _script(programs / "nvidia-smi", _NVIDIA_SMI.format(count=gpus, mebibytes=gibibytes * 1024))
    return Machine(python, programs, stub)


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
