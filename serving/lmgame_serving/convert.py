"""Rewriting a quantised GGUF model with half-precision weights."""

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize

_FILE_TYPE = "general.file_type"
_SKIPPED = ("GGUF.", "general.architecture", "general.quantization_version", _FILE_TYPE)
"""Fields that the writer makes itself, or that describe the quantisation that is taken out."""


def to_f16(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the model of `source` to `target` with its weight matrices in F16.

    Vectors (norms, biases) become F32, as llama.cpp's own converter keeps them; all metadata, the tokenizer and the
    chat template among it, is carried over. One tensor is in memory at a time. The bytes written depend on `source`
    alone. `progress` is told how many bytes of `source` are done, and of how many.

    Raises:
        OSError: If `source` can't be read or `target` can't be written.
        ValueError: If `source` is no GGUF file.
    """
    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture")
    if architecture is None:
        raise ValueError(f"{source.name} names no architecture.")
    writer = gguf.GGUFWriter(target, architecture.contents())
    try:
        for field in reader.fields.values():
            if not field.name.startswith(_SKIPPED):
                kind = field.types[0]
                element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(field.name, field.contents(), kind, sub_type=element)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        for tensor in reader.tensors:
            shape, dtype = _shape(tensor), _dtype(tensor)
            writer.add_tensor_info(tensor.name, shape, dtype, int(np.prod(shape)) * dtype.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        done, total = 0, sum(int(tensor.n_bytes) for tensor in reader.tensors)
        for tensor in reader.tensors:
            weights = dequantize(tensor.data, tensor.tensor_type)
            writer.write_tensor_data(np.ascontiguousarray(weights, dtype=_dtype(tensor)))
            done += int(tensor.n_bytes)
            if progress:
                progress(done, total)
    finally:
        writer.close()


def _shape(tensor: gguf.ReaderTensor) -> tuple[int, ...]:
    """The shape in numpy's order; GGUF lists the fastest-running dimension first."""
    return tuple(int(n) for n in reversed(tensor.shape))


def _dtype(tensor: gguf.ReaderTensor) -> np.dtype:
    return np.dtype(np.float16 if len(tensor.shape) > 1 else np.float32)
