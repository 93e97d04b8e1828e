"""The model itself: weights, the two graphs of `reference/graphs.py` in ONNX Runtime, and generation."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmgame_common import EndpointError

WEIGHTS, SUMS = "model.safetensors", "SHA256SUMS"
GRAPHS = {
    "vision.onnx": ("model.vision_model.", "model.connector."),
    "decoder.onnx": ("model.text_model.layers.", "model.text_model.norm.", "lm_head."),
}
"""How the names of the weights begin that each graph has; it must be given those and no others."""
CONFIGURATION = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "processor_config.json",
    "chat_template.jinja",
)
FILES = (WEIGHTS, *GRAPHS, *CONFIGURATION)
"""All files that make the model what it is."""
EMBEDDINGS = "model.text_model.embed_tokens.weight"


class Pico:
    """A loaded model. One answer at a time; the same request always gives the same answer.

    Args:
        folder: Has the weights, the graphs and the configuration.
        threads: That share the work of one matrix product.

    Raises:
        EndpointError: If a file isn't the one that was shipped, or ONNX Runtime can't be loaded.
        Exception: Whatever reading a file raises.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        check_files(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
        weights = read_weights(folder / WEIGHTS)
        text = config["text_config"]
        self.context: int = text["max_position_embeddings"]
        """Most tokens of prompt and answer together."""
        self.usual_limit: int = generation["max_new_tokens"]
        """Most tokens of an answer where nobody says otherwise."""
        self.end: int = text["eos_token_id"]
        """The token that ends an answer."""
        self._image: int = config["image_token_id"]
        self._embeddings = weights[EMBEDDINGS]
        self._sessions = [
            _session(folder / name, {each: weights[each] for each in weights if each.startswith(starts)}, threads)
            for name, starts in GRAPHS.items()
        ]
        cached = (1, text["num_key_value_heads"], 0, text["head_dim"])
        names = [f"past_{part}_{layer}" for layer in range(text["num_hidden_layers"]) for part in ("key", "value")]
        self._empty = {name: np.empty(cached, np.float32) for name in names}

    def read(self, prompt: Sequence[int], pixels: np.ndarray) -> "Answer":
        """Take in a prompt; an answer can then be drawn from what comes back.

        Args:
            prompt: Tokens; as many of them image tokens as the picture gives.
            pixels: As `Sight.pixels` makes them.
        """
        vision, decoder = self._sessions
        tokens = np.array(prompt)
        embedded = self._embeddings[tokens]
        embedded[tokens == self._image] = vision.run(None, {"pixel_values": pixels})[0][0]
        return Answer(decoder, self._embeddings, self._empty, embedded)


class Answer:
    """An answer in the making."""

    def __init__(
        self, decoder: Any, embeddings: np.ndarray, cache: Mapping[str, np.ndarray], prompt: np.ndarray
    ) -> None:
        self._decoder, self._embeddings, self._cache = decoder, embeddings, cache
        self.length = 0
        """Tokens so far, prompt included."""
        self._take(prompt)

    def go_on(self, token: int) -> None:
        """Take the next token, which must fit into the model's context."""
        self._take(self._embeddings[[token]])

    def _take(self, embedded: np.ndarray) -> None:
        self.length += len(embedded)
        place = {"last": np.array([self.length - 1], np.int32), "total": np.array([self.length], np.int32)}
        logits, *present = self._decoder.run(None, {"inputs_embeds": embedded[None], **place, **self._cache})
        self._cache = dict(zip(self._cache, present, strict=True))
        self.logits: np.ndarray = logits[0]
        """Logits of the next token, float32 (vocabulary,)."""


def read_sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each of `FILES`, in hex, as written down when the model was shipped.

    Raises:
        EndpointError: If the list isn't there or isn't about those files.
    """
    path = folder / SUMS
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        sums = {name: value for value, name in lines}
    except (OSError, ValueError) as error:
        raise EndpointError(f"{path} can't be read ({error}). Reinstall lmgame.") from error
    if len(lines) != len(FILES) or sums.keys() != set(FILES):
        raise EndpointError(f"{path} is damaged: it isn't about the files there should be. Reinstall lmgame.")
    return sums


def check_files(folder: Path) -> None:
    """Hold the model's files against the sums that stand beside them.

    Raises:
        EndpointError: If one of them is another file than the one that was shipped.
        OSError: If one can't be read.
    """
    for name, expected in read_sums(folder).items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise EndpointError(f"{folder / name} is damaged: its SHA-256 isn't {expected}. Reinstall lmgame.")


def write_sums(folder: Path) -> None:
    """Write down the sums of the files as they are now."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / SUMS).write_text("".join(f"{value}  {name}\n" for name, value in sums.items()), encoding="ascii")


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file in bfloat16, as float32.

    Format: https://huggingface.co/docs/safetensors. A bfloat16 is the upper half of a float32.

    Raises:
        OSError: If it can't be read.
        ValueError: If it holds anything else than bfloat16.
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, entry in json.loads(content[8:start]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "BF16":
            raise ValueError(f"{name} is {entry['dtype']}, not BF16")
        first, end = entry["data_offsets"]
        halves = np.frombuffer(content, "<u2", (end - first) // 2, start + first)
        tensors[name] = (halves.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
    return tensors


def _session(path: Path, weights: dict[str, np.ndarray], threads: int) -> Any:
    """A graph, ready to run, with its weights."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EndpointError(f"ONNX Runtime, the engine for pico, can't be loaded: {error}.") from error
    onnxruntime.set_default_logger_severity(4)  # it writes its log straight to the terminal
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins while it waits burns the time that the other one, or the game, needs: with two busy cores an
    # answer took three to five times as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
    options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
