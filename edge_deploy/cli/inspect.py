"""`edge-deploy inspect`: say what a `.tflite` file is, or what an APK, AAB or AAR holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import PATH, json_option

if TYPE_CHECKING:
    from edge_deploy.inspection import Inspection, TensorSpec


@click.command("inspect")
@click.argument("file", type=PATH, metavar="MODEL|ARCHIVE")
@json_option
@click.pass_context
def command(ctx: click.Context, file: str, as_json: bool) -> None:
    """Say what a model is, or what an APK, AAB or AAR holds and whether it would break.

    A MODEL (inputs and outputs, operators, cost, delegates, contract) is parsed first and then
    opened in a child process, so that a damaged one can do no harm. One that no runtime can run is
    described all the same, with exit code 0.

    An ARCHIVE (.apk, .aab, .aar) is read, never unpacked or run: models, shared libraries,
    manifest, classes that are there twice, signature schemes (that they are there, not that they
    are right). The exit code is 1 where the app would break on a device of Android 15 or later: a
    64-bit library whose segments, or whose place in an APK that does not extract it, are not
    aligned to 16 KB; a compressed model, as it is memory-mapped; a model or library that makes no
    sense; an app that does not install there. It is 3 where the archive itself is damaged, as where
    a checksum differs. 32-bit libraries need no such alignment. In an AAR only what
    survives packaging counts: inspect the APK for the rest.
    """
    from edge_deploy.inspection import Inspection, inspect

    from .rendering import emit_json

    found = inspect(file)
    if as_json:
        emit_json(found.to_json())
    elif isinstance(found, Inspection):
        _show(found)
    else:
        from .archive_view import show_archive

        show_archive(found)
    if not isinstance(found, Inspection) and found.breaks:
        ctx.exit(1)


def _show(found: Inspection) -> None:
    from .rendering import human_size, table_console
    from .sheet import Row, print_sheet

    rows: list[Row] = []

    def row(name: str, value: str, style: str = "bold") -> None:
        rows.append(Row(name, _printable(value), style=style))

    row("model", found.path)
    row("size", f"{human_size(found.size_bytes)}, sha256 {found.sha256[:16]}")
    for name, tensors in (("input", found.inputs), ("output", found.outputs)):
        for tensor in tensors:
            row(name, _tensor(tensor))
    row("signatures", ", ".join(found.signatures) or "none")
    row("operators", ", ".join(f"{kind} x{count}" for kind, count in found.operators.items()))
    row("MACs", _count(found.macs) if found.macs is not None else found.macs_reason)
    row("parameters", f"{found.parameters:,}")
    share = f"{100 * found.integer_share:.1f}% of the {'MACs' if found.macs else 'operators'}"
    row("integer share", share)
    for island in found.float_islands[:5]:
        row("float island", f"{island.kind} -> {island.name}")
    if len(found.float_islands) > 5:
        row("", f"and {len(found.float_islands) - 5} more")
    if found.flex_ops:
        row("Flex operators", ", ".join(found.flex_ops))
    if found.custom_ops:
        row("custom operators", ", ".join(found.custom_ops))
    arena = found.arena_bytes
    row("arena", f"{arena / 1024:.0f} KiB (estimate)" if arena is not None else found.arena_reason)
    runtime = found.runtime
    state = "opens and runs" if runtime.runs else "opens" if runtime.opens else "does not open it"
    row("runtime", f"{runtime.name or 'TFLite'} {runtime.version or ''}: {state}")
    for delegate in found.delegates():
        if delegate["used"]:
            taken = f"{100 * delegate['operator_share']:.0f}%"
            row("delegate", f"{delegate['name']} takes {taken} of the operators")
        elif runtime.opens:
            row("delegate", f"{delegate['name']} is not used: {delegate['reason']}")
    if found.preprocessing:
        contract = found.preprocessing
        row(
            "preprocessing",
            f"{contract.source}: {contract.color_order}, mean {_numbers(contract.mean)}, "
            f"std {_numbers(contract.std)}, {contract.resize}, crop {contract.crop}",
        )
    else:
        row("preprocessing", "none")
    first = ", ".join(repr(label) for label in found.labels[:3])
    row("labels", f"{len(found.labels)} ({first}, ...)" if found.labels else "none")
    row("metadata", ", ".join((*found.metadata, *found.associated_files)) or "none")
    for warning in found.warnings:
        row("warning", warning, "yellow")
    print_sheet(table_console(), rows)


def _tensor(tensor: TensorSpec) -> str:
    text = f"{tensor.name} {list(tensor.shape)} {tensor.dtype}"
    if tensor.scale is None:
        return text
    return f"{text}, scale {tensor.scale:.6g}, zero point {tensor.zero_point}"


def _count(macs: int) -> str:
    return f"{macs / 1e6:.1f} million" if macs >= 1e6 else f"{macs:,}"


def _numbers(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _printable(text: str) -> str:
    """Names come from a file of unknown origin: no control codes reach the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
