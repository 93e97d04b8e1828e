"""C source that runs on a CPU as on a GPU: compiled when it is needed, its kernels called by name on arrays.

A kernel is a function whose first argument is a count of independent pieces of work and whose others are pointers to
arrays or integers. Arrays are numpy's or PyTorch's; they must be contiguous and of the types that the source says.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lmgame_common import LmgameError

_THREADS = 128
"""Threads in a block on a GPU."""


class Kernels(Protocol):
    """A compiled source."""

    def __call__(self, name: str, count: int, *arguments: Any) -> None:
        """Run a kernel on arrays, integers, and None for a null pointer."""
        ...


class CpuKernels:
    """The kernels as loops, compiled by the system's C compiler, on arrays in main memory.

    Args:
        source: The C source.

    Raises:
        LmgameError: Without a C compiler, or if it doesn't take the source.
    """

    def __init__(self, source: Path) -> None:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not compiler:
            raise LmgameError(f"A C compiler is needed for {source.name}; install gcc or clang, or name one in CC.")
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "kernels.so")
            command = [
                *compiler.split(),
                "-std=c11",
                "-O3",
                "-march=native",
                "-shared",
                "-fPIC",
                "-x",
                "c",
                str(source),
            ]
            done = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True)
            if done.returncode:
                raise LmgameError(f"{compiler} could not compile {source.name}:\n{done.stderr}")
            self._library = ctypes.CDLL(str(library))

    def __call__(self, name: str, count: int, *arguments: Any) -> None:
        converted = [ctypes.c_int(a) if isinstance(a, int) else ctypes.c_void_p(address(a)) for a in arguments]
        self._library[name](ctypes.c_int(count), *converted)


class CudaKernels:
    """The kernels on a GPU, compiled by NVRTC (through CuPy), on tensors in its memory and PyTorch's current stream.

    Args:
        source: The CUDA C++ source; it may include nothing.
    """

    def __init__(self, source: Path) -> None:
        import cupy

        self._cupy = cupy
        self._module = cupy.RawModule(code=source.read_text(encoding="utf-8"), options=("-std=c++17",))
        self._functions: dict[str, Any] = {}

    def __call__(self, name: str, count: int, *arguments: Any) -> None:
        import torch

        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        converted = (np.int32(a) if isinstance(a, int) else np.uint64(address(a)) for a in arguments)
        with self._cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream):
            blocks = max(1, -(-count // _THREADS))
            self._functions[name]((blocks,), (_THREADS,), (np.int32(count), *converted))


def address(array: Any) -> int:
    """Where the elements of a contiguous array or tensor begin; 0 for None.

    Raises:
        LmgameError: If it isn't contiguous.
    """
    if array is None:
        return 0
    if isinstance(array, np.ndarray):
        if not array.flags.c_contiguous:
            raise LmgameError("A kernel was given an array that isn't contiguous; pass a contiguous copy.")
        return array.ctypes.data
    if not array.is_contiguous():
        raise LmgameError("A kernel was given a tensor that isn't contiguous; pass .contiguous().")
    return array.data_ptr()
