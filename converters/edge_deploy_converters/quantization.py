"""Apply one recipe to a float32 model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from edge_deploy_runner.contract import Preprocessing
from edge_deploy_runner.errors import BadInputError, ConversionError
from edge_deploy_runner.tflite.model_file import ModelFile

from .calibration import Ranges
from .flatbuffer_model import hushed
from .recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

Statistics = dict[str, dict[str, "NDArray[np.float32]"]]


def statistics_for(
    model: ModelFile, ranges: Ranges, method: str, contract: Preprocessing | None
) -> Statistics:
    """One range a tensor; the photo input's comes from the contract, not from what was seen.

    A calibrated input scale (0.00784 instead of 1/128) would waste codes and break the rule that
    pixel 0-255 maps to the integer range exactly.
    """
    statistics = ranges.reduced(method)
    if contract is not None and len(model.inputs) == 1 and len(model.inputs[0].shape) == 4:
        low, high = contract.input_range()
        statistics[model.inputs[0].name] = {
            "min": np.array([low], np.float32),
            "max": np.array([high], np.float32),
        }
    return statistics


def quantize(float_model: bytes, recipe: Recipe, statistics: Statistics | None = None) -> bytes:
    """The model as `recipe` wants it. `statistics` are needed for integer activations.

    Raises `ConversionError` where the quantizer refuses the model.
    """
    if recipe.weights == "float32":
        return float_model
    from litert_quantizer import quantizer

    try:
        with hushed():
            tool = quantizer.Quantizer(float_model)
            _configure(tool, recipe)
            result = tool.quantize(
                statistics if recipe.needs_calibration else None,
                enable_progress_bar=False,
                enable_progress_report=False,
            )
        return bytes(result.quantized_model)
    # The quantizer raises ValueError, KeyError, RuntimeError, ... for what it cannot do.
    except Exception as error:
        text = " ".join(str(error).split())
        raise ConversionError(
            f"recipe {recipe.name} cannot be applied to this model: {text[:300]}; "
            "try another recipe, or keep_float rules in a recipe file"
        ) from error


def check_operators(recipe: Recipe) -> None:
    """Raise `BadInputError` where a rule of the recipe names an operator that nobody knows."""
    if recipe.weights != "float32" and any(rule.operator != "*" for rule in recipe.keep_float):
        from litert_quantizer import qtyping

        known = [name.name for name in qtyping.TFLOperationName if name.value != "*"]
        for rule in recipe.keep_float:
            if rule.operator not in ("*", *known):
                raise BadInputError(
                    f"recipe {recipe.name!r}: keep_float names the unknown operator "
                    f"{rule.operator!r}; use one of {', '.join(known)}"
                )


def _configure(tool: Any, recipe: Recipe) -> None:
    from litert_quantizer import qtyping
    from litert_quantizer.algorithm_manager import AlgorithmName

    names = qtyping.TFLOperationName
    granularity = (
        qtyping.QuantGranularity.CHANNELWISE
        if recipe.granularity == "channel"
        else qtyping.QuantGranularity.TENSORWISE
    )
    everything = names.ALL_SUPPORTED
    if recipe.weights == "float16":
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        # Casting is offered for the operators that carry weights, and for nothing else.
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_2D_TRANSPOSE",
                     "EMBEDDING_LOOKUP"):  # fmt: skip
            tool.update_quantization_recipe(".*", names[kind], config, AlgorithmName.FLOAT_CASTING)
    elif recipe.activations == "dynamic":
        tool.add_dynamic_config(".*", everything, 8, granularity)
    elif recipe.activations == "float32":
        tool.add_weight_only_config(".*", everything, 8, granularity)
    else:
        bits = 16 if recipe.activations == "int16" else 8
        tool.add_static_config(".*", everything, bits, 8, granularity)
        if recipe.io == "uint8":
            unsigned = qtyping.OpQuantizationConfig(
                activation_tensor_config=qtyping.TensorQuantizationConfig(
                    num_bits=8, symmetric=False, dtype=qtyping.TensorDataType.UINT
                ),
                weight_tensor_config=qtyping.TensorQuantizationConfig(
                    num_bits=8, symmetric=True, granularity=granularity
                ),
                compute_precision=qtyping.ComputePrecision.INTEGER,
            )
            for kind in (names.INPUT, names.OUTPUT):
                tool.update_quantization_recipe(".*", kind, unsigned)
        if recipe.io == "float32":
            for kind in (names.INPUT, names.OUTPUT):
                tool.update_quantization_recipe(".*", kind, algorithm_key=AlgorithmName.NO_QUANTIZE)
    for rule in recipe.keep_float:
        kind = everything if rule.operator == "*" else names[rule.operator]
        tool.update_quantization_recipe(rule.regex, kind, algorithm_key=AlgorithmName.NO_QUANTIZE)
