"""The shipped model: the same network as an ONNX graph in eight bits.

Where the bits go was measured; docs/decisions/embedded-encoder.md tells. In short: what reads the
hidden state is dynamically quantised after its inputs have been evened out, what narrows the wide
layer is quantised in blocks, and norms, softmax and pooling stay floats.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tools.build_encoder.reference import EPSILON, HEADS, LAYERS, WIDTH, Peaks
from tools.build_encoder.source import Weights

MICROSOFT = "com.microsoft"
OPSET, CONTRIBUTED_OPSET, IR_VERSION = 20, 1, 9

MAX_POSITIONS = 256
"""As many as the model was trained on; longer texts are cut before they come here."""

WEIGHT_PEAK = 63
"""Seven bits. With eight, a processor that has AVX2 but not VNNI adds two products of an unsigned and a
signed byte in sixteen bits, and they overflow; with seven they cannot."""

BLOCK, BLOCK_PEAK = 64, 127
"""Weights of a block share a scale; inputs are quantised block by block too, as they come."""

INT8_COMPUTE = 4
"""`accuracy_level` of MatMulNBits: multiply bytes, not floats."""

EVENING = {"attend": 0.6, "merge": 0.5, "widen": 0.6}
"""How much of the inputs' unevenness goes over into the weights (alpha in SmoothQuant, Xiao et al., 2022)."""

Tensor = NDArray[np.float32]


class Graph:
    """Nodes and constants in the order they were added. Each method adds a step and names its result."""

    def __init__(self, peaks: Peaks) -> None:
        self._peaks = peaks
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(
        self, operator: str, inputs: list[str], result: str, domain: str = "", **attributes: object
    ) -> str:
        self.add_splitting(operator, inputs, [result], domain, **attributes)
        return result

    def add_splitting(
        self, operator: str, inputs: list[str], results: list[str], domain: str = "", **attributes: object
    ) -> None:
        node = helper.make_node(operator, inputs, results, f"{results[0]}:node", domain=domain, **attributes)
        self._nodes.append(node)

    def linear(self, step: str, source: str, weight: Tensor, bias: Tensor) -> str:
        """`source` times `weight` (outputs by inputs) plus `bias`, quantised over the whole text at once."""
        factors = self._evening(step, weight)
        even = self.add("Mul", [source, self.constant(f"{step}.even", 1 / factors)], f"{step}.in")
        columns = (weight * factors).T
        scales = np.abs(columns).max(axis=0) / np.float32(WEIGHT_PEAK)
        inputs = [
            even,
            self.constant(f"{step}.weight", np.rint(columns / scales).astype(np.int8)),
            self.constant(f"{step}.scale", scales),
            self.constant(f"{step}.zero", np.zeros(scales.shape, np.int8)),
            self.constant(f"{step}.bias", bias),
        ]
        return self.add("DynamicQuantizeMatMul", inputs, f"{step}.out", MICROSOFT)

    def linear_in_blocks(self, step: str, source: str, weight: Tensor, bias: Tensor) -> str:
        """The same, quantised in blocks of inputs: slower, and it stands outliers among them."""
        outputs, inputs_count = weight.shape
        blocks = weight.reshape(outputs, inputs_count // BLOCK, BLOCK)
        scales = np.abs(blocks).max(axis=-1) / np.float32(BLOCK_PEAK)
        shifted = np.rint(blocks / scales[..., np.newaxis]) + 128
        inputs = [
            source,
            self.constant(f"{step}.weight", shifted.astype(np.uint8)),
            self.constant(f"{step}.scale", scales),
            "",  # zero points: absent means 128
            "",  # a permutation of the inputs: none
            self.constant(f"{step}.bias", bias),
        ]
        sizes = {"K": inputs_count, "N": outputs, "bits": 8, "block_size": BLOCK}
        return self.add("MatMulNBits", inputs, f"{step}.out", MICROSOFT, accuracy_level=INT8_COMPUTE, **sizes)

    def added_and_normalised(
        self, step: str, source: str, residual: str, scale: Tensor, shift: Tensor
    ) -> str:
        inputs = [
            source,
            residual,
            self.constant(f"{step}.norm_scale", scale),
            self.constant(f"{step}.norm_shift", shift),
        ]
        return self.add("SkipLayerNormalization", inputs, f"{step}.normed", MICROSOFT, epsilon=EPSILON)

    def _evening(self, step: str, weight: Tensor) -> Tensor:
        """Factors that move magnitude from inputs to weights, rounded to quarter octaves: coarse enough that
        the same file comes out wherever it is built."""
        alpha = EVENING[step.split(".")[1]]
        inputs = np.log2(np.maximum(self._peaks[step], 1e-5))
        outputs = np.log2(np.abs(weight).max(axis=0).astype(np.float64) + 1e-6)
        octaves = alpha * inputs - (1 - alpha) * outputs
        factors: Tensor = np.exp2(np.rint((octaves - octaves.mean()) * 4) / 4).astype(np.float32)
        return factors

    def model(self) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", WIDTH])
        return helper.make_model(
            helper.make_graph(self._nodes, "encoder", inputs, [output], self._constants),
            opset_imports=[
                helper.make_opsetid("", OPSET),
                helper.make_opsetid(MICROSOFT, CONTRIBUTED_OPSET),
            ],
            ir_version=IR_VERSION,
            producer_name="plano",
        )


def build(weights: Weights, peaks: Peaks) -> bytes:
    """The model file. Equal arguments give equal bytes."""
    graph = Graph(peaks)
    hidden = _embed(graph, weights)
    graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    for layer in range(LAYERS):
        hidden = _layer(graph, weights, layer, hidden)
    _pool(graph, hidden)
    model = graph.model()
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _embed(graph: Graph, weights: Weights) -> str:
    """Words as bytes with a scale for each, plus their positions, normalised."""
    words = weights["embeddings.word_embeddings.weight"]
    scales = np.abs(words).max(axis=1, keepdims=True) / np.float32(127)
    scales[scales == 0] = 1  # a word that is never used
    graph.constant("words", np.rint(words / scales).astype(np.int8))
    graph.constant("words.scale", scales)
    graph.add("Gather", ["words", "input_ids"], "words.bytes")
    graph.add("Gather", ["words.scale", "input_ids"], "words.scales")
    graph.add("Cast", ["words.bytes"], "words.floats", to=TensorProto.FLOAT)
    graph.add("Mul", ["words.floats", "words.scales"], "words.out")
    # Every text is of the first kind, so that its vector is part of each position.
    positions = weights["embeddings.position_embeddings.weight"][:MAX_POSITIONS]
    graph.constant("positions", positions + weights["embeddings.token_type_embeddings.weight"][0])
    graph.constant("start", np.array([0], np.int64))
    graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    graph.add("Slice", ["positions", "start", "length"], "positions.out")
    graph.add("Add", ["words.out", "positions.out"], "embedded")
    inputs = [
        "embedded",
        graph.constant("embedded.norm_scale", weights["embeddings.LayerNorm.weight"]),
        graph.constant("embedded.norm_shift", weights["embeddings.LayerNorm.bias"]),
    ]
    return graph.add("LayerNormalization", inputs, "embedded.normed", axis=-1, epsilon=EPSILON)


def _layer(graph: Graph, weights: Weights, layer: int, hidden: str) -> str:
    prefix = f"encoder.layer.{layer}."

    def both(name: str) -> tuple[Tensor, Tensor]:
        return weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"]

    parts = [both(f"attention.self.{part}") for part in ("query", "key", "value")]
    weight, bias = (np.concatenate(tensors) for tensors in zip(*parts, strict=True))
    together = graph.linear(f"{layer}.attend", hidden, weight, bias)
    split = [f"{layer}.query", f"{layer}.key", f"{layer}.value"]
    graph.add_splitting("Split", [together], split, axis=-1, num_outputs=3)
    # The mask says which tokens are padding; the empty name is a bias that was added already.
    context = graph.add(
        "MultiHeadAttention", [*split, "", "mask"], f"{layer}.context", MICROSOFT, num_heads=HEADS
    )
    merged = graph.linear(f"{layer}.merge", context, *both("attention.output.dense"))
    hidden = graph.added_and_normalised(f"{layer}.merge", merged, hidden, *both("attention.output.LayerNorm"))
    wide = graph.linear(f"{layer}.widen", hidden, *both("intermediate.dense"))
    wide = graph.add("Gelu", [wide], f"{layer}.gelu", MICROSOFT)
    narrow = graph.linear_in_blocks(f"{layer}.narrow", wide, *both("output.dense"))
    return graph.added_and_normalised(f"{layer}.narrow", narrow, hidden, *both("output.LayerNorm"))


def _pool(graph: Graph, hidden: str) -> None:
    """The mean over what is not padding, brought to length one: the sum will do, for its length goes away."""
    graph.add("Cast", ["attention_mask"], "mask.floats", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", ["mask.floats", graph.constant("one", np.array([1], np.int64))], "mask.row")
    graph.add("MatMul", ["mask.row", hidden], "sum")
    graph.add("Squeeze", ["sum", "one"], "pooled")
    graph.add("LpNormalization", ["pooled"], "embedding", axis=-1, p=2)
