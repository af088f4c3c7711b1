"""Tables of one's own: what is judged is what is written, wherever the fit starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from known_devices import latency
from shape_coefficients import SHAPE_COEFFICIENTS

from edge_deploy.catalogue import DeviceProfile, device_profile
from edge_deploy.prediction import choosing
from edge_deploy.prediction.calibration.latency_models import models_of_tables
from edge_deploy.prediction.latency.fitting import fit
from edge_deploy.prediction.latency.model import LatencyModel, Point
from edge_deploy.prediction.tables import accuracy
from edge_deploy.prediction.tables import fits as table_fits
from edge_deploy.prediction.tables.grouping import Group, terms_of
from edge_deploy.prediction.tables.published import published_fits
from edge_deploy.prediction.tables.reading import (
    Network,
    packaged_networks,
    parse_latencies,
    parse_networks,
)

HEAD = "model,dtype,device,threads,latency_ms,runtime\n"
BASE = ("dense_mmac", "depthwise_mmac", "fc_mmac", "activation_melems", "weight_melems")
TWO = ("Mobilenet_V1_1.0_224", "Mobilenet_V2_1.0_224")


def base_features(*names: str) -> dict[str, Network]:
    """A table of features with nothing but the five that must be there."""
    known = packaged_networks()
    lines = [",".join(("model", *BASE))]
    for name in names:
        lines.append(",".join([name, *(repr(known[name].features[key]) for key in BASE)]))
    return parse_networks("\n".join(lines), "features.csv")


def entry(device_id: str, runtime: str) -> LatencyModel:
    """A device's float32 coefficients of 4 threads, as its file has them."""
    run = ("float32", 4, runtime)
    return next(
        model
        for model in device_profile(device_id).latency
        if (model.dtype, model.threads, model.runtime) == run
    )


def strangers(device_id: str, runtime: str, factor: float) -> tuple[Point, ...]:
    """The networks of that table, under names and with features that the package does not know."""
    run = (device_id, "float32", "4", runtime)
    points = next(
        one.points
        for one in published_fits()
        if (one.group.device, one.group.dtype, one.group.threads, one.group.runtime) == run
    )
    return tuple(
        Point(
            f"stranger-{n}", f"family-{n}", factor * point.measured_ms,
            {name: point.features[name] for name in BASE}, runtime="TFLite 9",
        )
        for n, point in enumerate(points)
    )  # fmt: skip


def error(coefficients: dict[str, float], points: tuple[Point, ...]) -> float:
    predicted = [
        sum(slope * point.features.get(name, 0.0) for name, slope in coefficients.items())
        for point in points
    ]
    return sum(
        abs(ms / point.measured_ms - 1) for ms, point in zip(predicted, points, strict=True)
    ) / len(points)


def of(*models: LatencyModel, device_id: str = "made-up") -> DeviceProfile:
    return replace(device_profile("raspberry-pi-4b"), id=device_id, latency=models)


@pytest.mark.parametrize(
    ("first", "second"), [TWO, ("mobilenet-v1 1.0 224", "MOBILENET V2_1.0-224")]
)
def test_calibrate_writes_what_accuracy_judges(first: str, second: str) -> None:
    text = f"{HEAD}{first},float32,P,4,40,T\n{second},float32,P,4,30,T\n"
    latencies, networks = parse_latencies(text, "it"), base_features(*TWO)
    (row,), judged = accuracy.table_rows(latencies, networks)
    (model,), written = models_of_tables(latencies, networks, "it")
    assert row.points == model.points
    assert row.mae_loo == model.error().mae_loo
    assert (row.like, judged) == (model.like, written)
    # Of the package, since both have the same other figures.
    assert all("im2col_melems" in point.features for point in model.points)
    assert model.coefficients["im2col_melems"] > 0


def test_networks_that_nobody_gave_are_the_packages_for_both() -> None:
    text = f"{HEAD}Mobilenet V1 1.0 224,float32,P,4,40,T\n{TWO[1]},float32,P,4,30,T\n"
    latencies = parse_latencies(text + "DenseNet,float32,P,4,400,T\n", "it")
    for networks in ({}, base_features(TWO[1])):
        (row,), judged = accuracy.table_rows(latencies, networks)
        (model,), written = models_of_tables(latencies, networks, "it")
        assert row.points == model.points
        assert judged == written
        assert "DenseNet" in judged[-1]


def test_long_tables_start_from_the_pixel_3_for_both() -> None:
    fitted = next(one for one in published_fits() if len(one.points) > 20)
    text = HEAD + "".join(
        f"{point.model},float32,P,4,{1.5 * point.measured_ms},T\n" for point in fitted.points[:20]
    )
    latencies = parse_latencies(text, "it")
    (row,), _ = accuracy.table_rows(latencies, {})
    (model,), _ = models_of_tables(latencies, {}, "it")
    assert (row.like, model.like, model.like_runtime) == ("pixel-3", "pixel-3", "TFLite 2019-20")
    assert (row.points, row.coverage80) == (model.points, model.coverage80)
    assert row.coverage80 == pytest.approx(row.inside / 20)
    # The intervals of the file are those of the points, as the coverage says.
    assert (model.residuals, model.spread) == ((), 0.0)
    assert "CONV_2D" in model.kinds


def test_a_sibling_is_fitted_anew_where_features_lack() -> None:
    runtime = "TFLite 2019-20"
    points, whole = strangers("pixel-3", runtime, 2.0), entry("pixel-3", runtime)
    assert whole.coefficients["im2col_melems"] > 0
    anew, as_it_is = [], []
    for first in range(8):
        few = points[first::8]
        found = table_fits.fit_group(
            Group("P", "float32", "4", runtime, ""), few, device_profile("pixel-3")
        )
        assert (found.like, found.start.runtime) == ("pixel-3", runtime)
        assert set(found.start.coefficients) <= set(terms_of(few)) == set(BASE)
        anew.append(error(found.result.coefficients, points))
        as_it_is.append(error(fit(few, prior=whole).coefficients, points))
    assert sum(anew) < 0.95 * sum(as_it_is)


def test_a_guess_is_fitted_anew_with_the_points_it_was_scaled_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = entry("raspberry-pi-4b", "TFLite 2.5, 64-bit")
    guess = replace(whole, points=(), like="measured", residuals=(0.1,) * 9, standing="guess")
    profiles = {"measured": of(whole, device_id="measured"), "guess": of(guess, device_id="guess")}
    monkeypatch.setattr(choosing, "all_profiles", lambda: profiles)
    points = strangers("raspberry-pi-4b", whole.runtime, 2.0)[:5]
    group = Group("P", "float32", "4", "TFLite 9", "")
    found = table_fits.fit_group(group, points, profiles["guess"])
    other = table_fits.fit_group(group, points, profiles["measured"])
    assert (found.like, found.start.standing) == ("guess", "guess")
    assert found.result.coefficients == other.result.coefficients


def test_shapes_serve_networks_that_have_them_and_no_others() -> None:
    shapes = SHAPE_COEFFICIENTS["float32"]
    board = of(latency(coefficients=shapes))
    features = {name: 10.0 + n for n, name in enumerate((*BASE, *shapes, "ALL.n"))}
    cost = sum(slope * features[name] for name, slope in shapes.items())
    group = Group("P", "float32", "4", "T", "")
    full = [
        Point(f"n{n}", f"f{n}", 3 * n * cost, {k: n * v for k, v in features.items()}, runtime="T")
        for n in (1, 2, 3)
    ]
    found = table_fits.fit_group(group, full, board)
    assert (found.like, found.notes) == ("made-up", ())
    assert found.result.scale == pytest.approx(3.0)
    totals = [
        replace(point, features={name: point.features[name] for name in BASE}) for point in full
    ]
    found = table_fits.fit_group(group, totals, board)
    assert found.like == "pixel-3"
    assert "features that these networks lack" in found.notes[0]
    assert set(found.result.coefficients) == set(BASE)


def test_a_sibling_without_the_dtype_is_not_named_as_the_start() -> None:
    text = f"{HEAD}{TWO[0]},int8,P,4,40,T\n{TWO[1]},int8,P,4,30,T\n"
    board = of(latency(dtype="float32"))
    (model,), notes = models_of_tables(parse_latencies(text, "it"), {}, "it", board)
    assert model.like == "pixel-3"
    assert notes == (
        "P, int8, 4 threads, T: made-up has no coefficients of int8; it starts from pixel-3",
    )


def test_the_start_has_the_runtime_and_threads_of_the_table_where_it_can() -> None:
    others = (latency(threads=4, runtime="old"), latency(threads=1), latency(threads=4))
    group = Group("P", "float32", "4", "LiteRT 2.1", "")
    points = [
        Point(f"n{n}", "f", n * 10.0, dict.fromkeys(BASE, float(n)), runtime="LiteRT 2.1")
        for n in (1, 2)
    ]
    start = table_fits.fit_group(group, points, of(*others)).start
    assert (start.runtime, start.threads) == ("LiteRT 2.1", 4)
