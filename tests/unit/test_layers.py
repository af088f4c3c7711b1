"""The `.tflite` writer and its layers: valid files, the same bytes, sane quantization."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils
from edge_deploy_runner.errors import UsageError
from edge_deploy_runner.interpreter import LoadedModel
from edge_deploy_runner.tflite.model_file import ModelFile

from edge_deploy.prediction.synthetic.layers import DTYPES, Network
from edge_deploy.prediction.workload import read_workload

# Every operator of the language, by the kinds that they are written as.
EVERY_KIND = [
    "MUL", "ADD", "CONV_2D", "HARD_SWISH", "PAD", "DEPTHWISE_CONV_2D", "MEAN", "CONV_2D",
    "CONV_2D", "LOGISTIC", "MUL", "CONV_2D", "CONV_2D", "ADD", "CONV_2D", "CONV_2D",
    "CONCATENATION", "MAX_POOL_2D", "RESIZE_BILINEAR", "AVERAGE_POOL_2D", "RELU", "MEAN",
    "FULLY_CONNECTED", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX",
]  # fmt: skip


def everything(dtype: str, seed: int = 0) -> bytes:
    """A network of all operators with two outputs, before and behind the softmax."""
    net = Network("everything", dtype, seed)
    x = net.input(32, 24, 3, low=0.0, high=255.0)
    x = net.add_constant(net.multiply_constant(x, 1 / 127.5), -1.0)
    x = net.hard_swish(net.conv(x, 16, 3, 2))
    x = net.depthwise(net.pad(x, 1, 1), 3, 1, "valid", activation="relu")
    gate = net.conv(net.conv(net.mean(x, keep_dims=True), 8, activation="relu"), 16)
    x = net.multiply(x, net.logistic(gate))
    y = net.conv(x, 16, activation="relu6")
    x = net.add(net.conv(x, 16, (1, 7)), y, activation="relu")
    x = net.concatenate([net.conv(x, 8, activation="relu"), net.conv(x, 24, 3, activation="relu")])
    x = net.resize_bilinear(net.max_pool(x, 3, 2), 10, 9)
    x = net.relu(net.average_pool(x, 2, 2, "same"))
    x = net.fully_connected(net.mean(x), 40, activation="relu", bias=False)
    logits = net.fully_connected(net.reshape(x, 40), 50)
    return net.build(net.softmax(logits), logits)


def run(data: bytes, kernels: str, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """The real values of the outputs, for uniform random input over the whole range."""
    model = LoadedModel(data, threads=1, kernels=kernels)
    values = np.random.default_rng(seed).uniform(0, 255, model.inputs[0]["shape"])
    scale, zero_point = model.inputs[0]["quantization"]
    dtype = model.inputs[0]["dtype"]
    tensor = np.rint(values / scale + zero_point) if scale else values
    outputs = model.run(tensor.astype(dtype))
    return [
        (output.astype(float) - detail["quantization"][1]) * (detail["quantization"][0] or 1)
        for output, detail in zip(outputs, model.outputs, strict=True)
    ]


def run_codes(data: bytes) -> np.ndarray[Any, Any]:
    """The first output of an int8 model, for random input."""
    model = LoadedModel(data, threads=1)
    shape = model.inputs[0]["shape"]
    return model.run(np.random.default_rng(0).integers(-128, 128, shape, np.int8))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operator_runs_with_all_kernels(dtype: str) -> None:
    data = everything(dtype)
    kinds = [operator.kind for operator in ModelFile(data).graph.operators]
    assert kinds == EVERY_KIND
    fast, (_, builtin), (_, reference) = (
        run(data, kernels) for kernels in ("xnnpack", "builtin", "reference")
    )
    probabilities, logits = fast
    assert probabilities.sum() == pytest.approx(1, abs=0.1)
    assert len(np.unique(logits)) > 20
    # Kernels round differently: by a code or two of some tensor on the way.
    tolerance = 1e-4 if dtype == "float32" else 0.1 * float(np.std(logits))
    np.testing.assert_allclose(builtin, logits, atol=tolerance)
    np.testing.assert_allclose(reference, logits, atol=tolerance)


def test_int8_is_the_float32_network_quantized() -> None:
    (_, exact), (_, quantized) = (run(everything(dtype), "builtin") for dtype in DTYPES[:2])
    error = np.sqrt(np.mean((quantized - exact) ** 2)) / np.std(exact)
    assert error < 0.15
    (_, other) = run(everything("float32", seed=1), "builtin")
    assert np.corrcoef(exact.ravel(), other.ravel())[0, 1] < 0.9  # another seed, another network


def test_the_output_depends_on_the_input() -> None:
    data = everything("int8")
    assert not np.array_equal(run(data, "xnnpack")[1], run(data, "xnnpack", seed=1)[1])


# Pinned: the file is the same with every version of numpy and on every machine.
DIGESTS = {
    "float32": "775a73aaca7889098455aed84a7fbd47628f18b30985956d9312c336da622d94",
    "int8": "8685c5f6c359d59be0d630061b24e0732dbf7bd5ecc1d8f837fe3ad6d47f01e6",
    "uint8": "d064d0a72b2c3b6a527c9d0c454cc27c52cb7d610110c4ce50ecf1190e59918b",
    "dynamic": "c36ecce19c3592eb1ef43ece6434b8f330fe300518e4861d0497ca288246e645",
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bytes_everywhere(dtype: str) -> None:
    assert hashlib.sha256(everything(dtype)).hexdigest() == DIGESTS[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_aligned_and_used_once(dtype: str) -> None:
    model = ModelFile(everything(dtype))
    start = np.frombuffer(model.data, np.uint8).ctypes.data
    stored = [tensor for tensor in model.graph.tensors if model.is_constant(tensor)]
    for tensor in stored:
        at = np.frombuffer(model.buffer_data(tensor.buffer), np.uint8).ctypes.data - start
        assert at % 16 == 0, tensor.name
    assert len({tensor.buffer for tensor in stored}) == len(stored)
    assert len({tensor.name for tensor in model.graph.tensors}) == len(model.graph.tensors)


def test_the_schemas_own_code_reads_the_same() -> None:
    data = everything("int8")
    model = ModelFile(data)
    read = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    graph = read.subgraphs[0]
    assert [list(tensor.shape) for tensor in graph.tensors] == [
        list(tensor.shape) for tensor in model.graph.tensors
    ]
    codes = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    kinds = [codes[read.operatorCodes[o.opcodeIndex].builtinCode] for o in graph.operators]
    assert kinds == EVERY_KIND
    convolution = graph.operators[2].builtinOptions
    assert (convolution.strideH, convolution.strideW) == (2, 2)
    assert convolution.padding == schema.Padding.SAME
    depthwise = graph.operators[5].builtinOptions
    assert depthwise.padding == schema.Padding.VALID
    assert depthwise.fusedActivationFunction == schema.ActivationFunctionType.RELU
    assert depthwise.depthMultiplier == 1
    assert graph.operators[6].builtinOptions.keepDims
    assert not graph.operators[21].builtinOptions.keepDims
    pool = graph.operators[17].builtinOptions
    assert (pool.filterHeight, pool.filterWidth, pool.strideH, pool.strideW) == (3, 3, 2, 2)
    resize = graph.operators[18].builtinOptions
    assert resize.halfPixelCenters
    assert not resize.alignCorners
    # The runtime may repack it, and finds the same.
    again = ModelFile(bytes(flatbuffer_utils.convert_object_to_bytearray(read)))
    assert again.graph.tensors == model.graph.tensors


def test_quantization_keeps_the_rules_of_the_specification() -> None:
    model = ModelFile(everything("int8"))
    tensors = model.graph.tensors
    for operator in model.graph.operators:
        inputs, output = operator.inputs, tensors[operator.outputs[0]]
        if operator.kind in ("SOFTMAX", "LOGISTIC"):
            assert (output.scales, output.zero_points) == ((1 / 256,), (-128,))
        if operator.kind in (
            "MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD", "RESHAPE", "RESIZE_BILINEAR",
            "CONCATENATION",
        ):  # fmt: skip
            for source in inputs[: 2 if operator.kind == "CONCATENATION" else 1]:
                assert tensors[source].scales == output.scales
                assert tensors[source].zero_points == output.zero_points
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            source, weights = tensors[inputs[0]], tensors[inputs[1]]
            axis = 3 if operator.kind == "DEPTHWISE_CONV_2D" else 0
            assert weights.quantized_dimension == axis
            assert len(weights.scales) == weights.shape[axis]
            assert set(weights.zero_points) == {0}
            if inputs[2] >= 0:
                bias = tensors[inputs[2]]
                assert bias.dtype == "int32"
                np.testing.assert_allclose(
                    bias.scales, np.multiply(source.scales[0], weights.scales), rtol=1e-6
                )


def test_no_activation_saturates_or_vanishes() -> None:
    interpreter = Interpreter(
        model_content=everything("int8"),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    codes = np.random.default_rng(0).integers(-128, 128, detail["shape"], np.int8)
    interpreter.set_tensor(detail["index"], codes)
    interpreter.invoke()
    graph = ModelFile(everything("int8")).graph
    for operator in graph.operators[:-1]:  # a softmax over 50 classes has few codes
        values = interpreter.get_tensor(operator.outputs[0])
        assert len(np.unique(values)) >= min(24, values.size // 2), operator
        assert np.mean(values == 127) < 0.05, operator


def test_weights_are_random_and_normal_numbers() -> None:
    model = ModelFile(everything("float32"))
    for tensor in model.graph.tensors:
        if tensor.name.startswith("weights"):
            values = np.frombuffer(model.buffer_data(tensor.buffer), np.float32)
            assert np.mean(values == 0) < 0.03, tensor
            nonzero = np.abs(values[values != 0])
            assert nonzero.min() > 1e-6
            assert len(np.unique(values)) > 50


def test_float32_at_the_edges_of_an_int8_network() -> None:
    net = Network("edges", "int8")
    x = net.quantize(net.input(8, 8, 3, dtype="float32"))
    data = net.build(net.dequantize(net.conv(x, 4)))
    model = ModelFile(data)
    assert [operator.kind for operator in model.graph.operators] == [
        "QUANTIZE", "CONV_2D", "DEQUANTIZE",
    ]  # fmt: skip
    assert [tensor.dtype for tensor in (*model.inputs, *model.outputs)] == ["float32"] * 2
    output = LoadedModel(data, threads=1).run(np.full((1, 8, 8, 3), 0.5, np.float32))[0]
    assert len(np.unique(output)) > 3


def test_a_convolution_repeated_has_its_weights_once() -> None:
    sizes = {}
    for count in (1, 4):
        net = Network("repeated", "int8")
        x = first = net.conv(net.input(6, 6, 64), 64, activation="relu6")
        for _ in range(count - 1):
            x = net.conv_again(x, first)
        data = net.build(x)
        sizes[count] = len(data)
        assert read_workload(ModelFile(data)).macs == count * 36 * 64 * 64
        assert len(np.unique(run_codes(data))) > 20
    assert sizes[4] < sizes[1] + 3000


def test_the_work_is_what_the_layers_say() -> None:
    net = Network("counted", "float32")
    x = net.input(20, 20, 3)
    x = net.conv(x, 8, 3, 2)  # 10x10x8 outputs of 27 products
    x = net.depthwise(x, 5, 2)  # 5x5x8 outputs of 25 products
    x = net.conv(x, 6, (1, 3), 1, "valid")  # 5x3x6 outputs of 24 products
    x = net.fully_connected(net.mean(x), 10)
    workload = read_workload(ModelFile(net.build(x)))
    macs = [(operator.kind, operator.macs) for operator in workload.operators]
    assert macs == [
        ("CONV_2D", 21600), ("DEPTHWISE_CONV_2D", 5000), ("CONV_2D", 2160), ("MEAN", 0),
        ("FULLY_CONNECTED", 60),
    ]  # fmt: skip
    assert workload.operators[0].output_pixels == 100
    assert workload.operators[2].weight_elements == 1 * 3 * 8 * 6


def test_refuses_a_dtype_that_it_cannot_write() -> None:
    with pytest.raises(UsageError, match=r"'float16'; use float32, int8, uint8, dynamic"):
        Network("half", "float16")
