"""The two ONNX graphs that the engine in the package runs: the vision encoder and one step of the decoder.

They are written node by node, with the fused operators that ONNX Runtime has for its CPU (domain `com.microsoft`,
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), which is faster than what tracing the
PyTorch model gives. They hold no weights: each weight is an external initializer of the name that it has in
`model.safetensors`, so that one file holds them all, once.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from transformers import Idefics3Config

OPSET, IR_VERSION = 20, 10
FUSED = "com.microsoft"

VISION, TEXT = "model.vision_model", "model.text_model"


class _Graph:
    """A graph under construction. Methods that add a node return the name of its (first) output."""

    def __init__(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self._shapes = shapes
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}

    def add(self, operator: str, *inputs: str, outputs: Sequence[str] = (), domain: str = "", **attributes: Any) -> str:
        outputs = outputs or [f"{operator.lower()}_{len(self._nodes)}"]
        self._nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def weight(self, name: str) -> str:
        """A weight of the model, by its name there."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=self._shapes[name])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="model.safetensors")
        self._initializers[name] = tensor
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self._initializers[name] = numpy_helper.from_array(value, name)
        return name

    def shape(self, *sides: int) -> str:
        """A target for `Reshape`."""
        return self.constant("shape_" + "_".join(map(str, sides)), np.array(sides, np.int64))

    def linear(self, x: str, *modules: str, bias: bool = False) -> str:
        """`x` times the weights of PyTorch linear modules side by side: their outputs come one after the other."""
        # Transposed and joined here, once, when ONNX Runtime folds constants.
        weights = [self.add("Transpose", self.weight(f"{module}.weight"), perm=[1, 0]) for module in modules]
        joined = weights[0] if len(weights) == 1 else self.add("Concat", *weights, axis=1)
        product = self.add("MatMul", x, joined)
        if not bias:
            return product
        biases = [self.weight(f"{module}.bias") for module in modules]
        return self.add("Add", product, biases[0] if len(biases) == 1 else self.add("Concat", *biases, axis=0))

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._initializers.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="lmgame")


def vision_graph(config: Idefics3Config, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """`pixel_values` float32 (1, 3, side, side) to `image_features` float32 (1, tokens, text width).

    The picture is always whole and of full size, so that every patch has its own position embedding.

    Args:
        config: The model's.
        shapes: Of all weights, by name.
    """
    vision, shuffle = config.vision_config, config.scale_factor
    width, patch, heads = vision.hidden_size, vision.patch_size, vision.num_attention_heads
    across = vision.image_size // patch
    graph = _Graph(shapes)
    # A convolution whose stride is its size is a product with the patches, as rows of channel, y, x.
    patches = graph.add("Reshape", "pixel_values", graph.shape(3, across, patch, across, patch))
    patches = graph.add("Transpose", patches, perm=[1, 3, 0, 2, 4])
    patches = graph.add("Reshape", patches, graph.shape(1, across * across, 3 * patch * patch))
    kernel = graph.weight(f"{VISION}.embeddings.patch_embedding.weight")
    kernel = graph.add("Reshape", kernel, graph.shape(width, 3 * patch * patch))
    x = graph.add("MatMul", patches, graph.add("Transpose", kernel, perm=[1, 0]))
    position = graph.weight(f"{VISION}.embeddings.position_embedding.weight")
    x = graph.add("Add", x, graph.add("Add", position, graph.weight(f"{VISION}.embeddings.patch_embedding.bias")))

    norm: dict[str, Any] = {"axis": -1, "epsilon": vision.layer_norm_eps}
    for layer in range(vision.num_hidden_layers):
        at = f"{VISION}.encoder.layers.{layer}"
        scale, offset = (graph.weight(f"{at}.layer_norm1.{part}") for part in ("weight", "bias"))
        normed = graph.add("LayerNormalization", x, scale, offset, **norm)
        qkv = [f"{at}.self_attn.{part}_proj" for part in "qkv"]
        joined = graph.linear(normed, *qkv, bias=True)
        parts = [f"qkv_{layer}_{part}" for part in "qkv"]
        graph.add("Split", joined, outputs=parts, axis=2, num_outputs=3)
        mixed = graph.add("MultiHeadAttention", *parts, domain=FUSED, num_heads=heads)
        x = graph.add("Add", x, graph.linear(mixed, f"{at}.self_attn.out_proj", bias=True))
        scale, offset = (graph.weight(f"{at}.layer_norm2.{part}") for part in ("weight", "bias"))
        normed = graph.add("LayerNormalization", x, scale, offset, **norm)
        product = graph.linear(normed, f"{at}.mlp.fc1")
        hidden = graph.add("FastGelu", product, graph.weight(f"{at}.mlp.fc1.bias"), domain=FUSED)
        x = graph.add("Add", x, graph.linear(hidden, f"{at}.mlp.fc2", bias=True))
    scale, offset = (graph.weight(f"{VISION}.post_layernorm.{part}") for part in ("weight", "bias"))
    x = graph.add("LayerNormalization", x, scale, offset, **norm)

    # Pixel shuffle: each square of neighbouring patches becomes one token.
    squares = across // shuffle
    x = graph.add("Reshape", x, graph.shape(squares, shuffle, squares, shuffle * width))
    x = graph.add("Transpose", x, perm=[0, 2, 1, 3])
    x = graph.add("Reshape", x, graph.shape(1, squares * squares, shuffle * shuffle * width))
    kernel = graph.add("Transpose", graph.weight("model.connector.modality_projection.proj.weight"), perm=[1, 0])
    graph.add("MatMul", x, kernel, outputs=["image_features"])
    given = [1, 3, vision.image_size, vision.image_size]
    made = [1, squares * squares, config.text_config.hidden_size]
    return graph.model("vision", [_value("pixel_values", given)], [_value("image_features", made)])


def decoder_graph(config: Idefics3Config, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Some tokens after those that the cache holds, to the logits of what comes next.

    Inputs: `inputs_embeds` float32 (1, new, width); `past_key_i`, `past_value_i` float32 (1, heads, past, head size)
    for each layer i; `last` int32 (1,), the number of all tokens less one; `total` int32 (1,), the number itself.
    Outputs: `logits` float32 (1, vocabulary); `present_key_i`, `present_value_i`, the cache with the new tokens in it.

    Args:
        config: The model's.
        shapes: Of all weights, by name.
    """
    text = config.text_config
    width, heads, cached = text.hidden_size, text.num_attention_heads, text.num_key_value_heads
    side = text.head_dim
    graph = _Graph(shapes)
    # Angles of the rotary embedding, as transformers computes them; folded into constants at load.
    exponents = np.arange(0, side, 2, dtype=np.float32) / np.float32(side)
    frequencies = (1.0 / np.float32(text.rope_parameters["rope_theta"]) ** exponents).astype(np.float32)
    positions = graph.constant("positions", np.arange(text.max_position_embeddings, dtype=np.float32)[:, None])
    angles = graph.add("Mul", positions, graph.constant("frequencies", frequencies[None]))
    rotation = graph.add("Cos", angles), graph.add("Sin", angles)

    x = "inputs_embeds"
    norm: dict[str, Any] = {"axis": -1, "epsilon": text.rms_norm_eps}
    inputs, outputs = [_value(x, [1, "new", width])], []
    for layer in range(text.num_hidden_layers):
        at = f"{TEXT}.layers.{layer}"
        normed = graph.add("SimplifiedLayerNormalization", x, graph.weight(f"{at}.input_layernorm.weight"), **norm)
        joined = graph.linear(normed, *(f"{at}.self_attn.{part}_proj" for part in "qkv"))
        past, present = ([f"{time}_{part}_{layer}" for part in ("key", "value")] for time in ("past", "present"))
        mixed = graph.add(
            "GroupQueryAttention",
            *(joined, "", "", *past, "last", "total", *rotation),
            outputs=[f"mixed_{layer}", *present],
            domain=FUSED,
            num_heads=heads,
            kv_num_heads=cached,
            do_rotary=1,
            scale=1 / math.sqrt(side),
        )
        x = graph.add("Add", x, graph.linear(mixed, f"{at}.self_attn.o_proj"))
        if layer == text.num_hidden_layers - 1:  # of what follows only the newest token's outcome is wanted
            newest = [graph.constant(name, np.array([value], np.int64)) for name, value in _NEWEST.items()]
            x = graph.add("Slice", x, *newest)
        scale = graph.weight(f"{at}.post_attention_layernorm.weight")
        normed = graph.add("SimplifiedLayerNormalization", x, scale, **norm)
        gates = graph.linear(normed, f"{at}.mlp.gate_proj")
        gates = graph.add("Mul", gates, graph.add("Sigmoid", gates))
        hidden = graph.add("Mul", gates, graph.linear(normed, f"{at}.mlp.up_proj"))
        x = graph.add("Add", x, graph.linear(hidden, f"{at}.mlp.down_proj"))
        for names, values, length in ((past, inputs, "past"), (present, outputs, "all")):
            shape = [1, cached, length, side]
            values += [_value(name, shape) for name in names]
    x = graph.add("SimplifiedLayerNormalization", x, graph.weight(f"{TEXT}.norm.weight"), **norm)
    x = graph.add("Reshape", x, graph.shape(1, width))
    graph.add("MatMul", x, graph.add("Transpose", graph.weight("lm_head.weight"), perm=[1, 0]), outputs=["logits"])
    inputs += [_value(name, [1], TensorProto.INT32) for name in ("last", "total")]
    outputs.insert(0, _value("logits", [1, text.vocab_size]))
    return graph.model("decoder", inputs, outputs)


_NEWEST = {"starts": -1, "ends": np.iinfo(np.int64).max, "axes": 1}
"""The arguments of `Slice` that leave the last token."""


def _value(name: str, shape: Sequence[int | str], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
