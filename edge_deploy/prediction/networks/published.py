"""The networks behind the published latencies, by the names that the tables give them.

Detectors are named `<model>@<input>`, classifiers as in the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from edge_deploy.prediction.workload import Workload

from . import detectors, inception, large_networks, mobile_networks, mobiledet, nasnet
from .efficientdet import SCALES, efficientdet_lite

_SLIM = "TF-slim"
_OPEN_ZOO = "multiply-accumulates: Open Model Zoo"
_KERAS = "Keras applications"
_ZOO = "TF1 detection zoo"


@dataclass(frozen=True)
class PublishedNetwork:
    """One network under one name.

    `after` says which description it follows. `published_gmac` is the number of billions of
    multiply-accumulates that its authors, or those named in `after`, give for it; `None` where
    none was found.
    """

    name: str
    family: str
    build: Callable[[str], Workload]
    after: str
    published_gmac: float | None = None

    def workload(self) -> Workload:
        """What one inference asks of a device."""
        return self.build(self.name)


def published_networks() -> Iterator[PublishedNetwork]:
    """All networks that are rebuilt here; each name once."""
    yield from _mobile_classifiers()
    yield from _large_classifiers()
    yield from _detectors()


def _mobile_classifiers() -> Iterator[PublishedNetwork]:
    yield PublishedNetwork(
        "MobileNet v1 1.0X",
        "MobileNetV1",
        partial(mobile_networks.mobilenet_v1, width=1.0, size=224),
        _SLIM,
    )
    yield PublishedNetwork(
        "MobileNet v2 1.0X",
        "MobileNetV2",
        partial(mobile_networks.mobilenet_v2, width=1.0, size=224),
        _SLIM,
    )
    for width in (0.25, 0.5, 0.75, 1.0):
        for size in (128, 160, 192, 224):
            yield _scaled("Mobilenet_V1", "MobileNetV1", mobile_networks.mobilenet_v1, width, size)
    for width in (0.35, 0.5, 0.75, 1.0):
        for size in (96, 128, 160, 192, 224):
            yield _scaled("Mobilenet_V2", "MobileNetV2", mobile_networks.mobilenet_v2, width, size)
    for width in (1.3, 1.4):
        yield _scaled("Mobilenet_V2", "MobileNetV2", mobile_networks.mobilenet_v2, width, 224)
    for width, size in (
        (0.5, 224), (0.75, 224), (1.0, 96), (1.0, 128), (1.0, 160), (1.0, 192), (1.0, 224),
        (1.3, 224),
    ):  # fmt: skip
        yield _scaled("MnasNet", "MnasNet", mobile_networks.mnasnet_b1, width, size)
    for large, minimal, gmac in (
        (True, False, 0.217), (True, True, 0.209), (False, False, None), (False, True, None),
    ):  # fmt: skip
        kind = ("large" if large else "small") + ("_minimalistic" if minimal else "")
        yield PublishedNetwork(
            f"Mobilenet_V3_{kind}_1.0_224",
            "MobileNetV3",
            partial(mobile_networks.mobilenet_v3, large=large, minimalistic=minimal),
            f"{_SLIM} mobilenet_v3",
            gmac,
        )
    yield PublishedNetwork(
        "MobileNetEdgeTPU_1.0_224",
        "MobileNetEdgeTPU",
        mobile_networks.mobilenet_edgetpu,
        f"{_SLIM} mobilenet_v3 (EdgeTPU)",
        0.990,
    )
    scales = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))
    for index, (width, depth, size) in enumerate(scales):
        yield PublishedNetwork(
            f"EfficientNet-Lite{index}",
            "EfficientNet-Lite",
            partial(mobile_networks.efficientnet_lite, width=width, depth=depth, size=size),
            "tensorflow/tpu efficientnet/lite",
        )


def _scaled(
    prefix: str, family: str, build: Callable[..., Workload], width: float, size: int
) -> PublishedNetwork:
    return PublishedNetwork(
        f"{prefix}_{width}_{size}",
        family,
        partial(build, width=width, size=size),
        _SLIM if prefix != "MnasNet" else "MnasNet-B1",
    )


def _large_classifiers() -> Iterator[PublishedNetwork]:
    for name, inception_net, gmac in (
        ("Inception_V1", inception.inception_v1, None),
        ("Inception_V2", inception.inception_v2, None),
        ("Inception_V3", inception.inception_v3, 5.7345),
        ("Inception_V4", inception.inception_v4, 12.292),
        ("Inception_ResNet_V2", inception.inception_resnet_v2, None),
    ):
        after = f"{_SLIM} {name.lower()}" + (f"; {_OPEN_ZOO}" if gmac else "")
        yield PublishedNetwork(name, "Inception", inception_net, after, gmac)
    yield PublishedNetwork(
        "SqueezeNet",
        "SqueezeNet",
        large_networks.squeezenet,
        "SqueezeNet 1.0; multiply-accumulates: torchvision",
        0.82,
    )
    yield PublishedNetwork("ResNet50_224", "ResNet", large_networks.resnet50, _KERAS)
    yield PublishedNetwork(
        "ResNet_V1_50_299", "ResNet", partial(large_networks.resnet50, size=299), _KERAS
    )
    for name, units in (
        ("ResNet_V2_50_299", (3, 4, 6, 3)), ("ResNet_V2_101", (3, 4, 23, 3)),
        ("ResNet_V2_152_299", (3, 8, 36, 3)),
    ):  # fmt: skip
        resnet = partial(large_networks.resnet_v2, units=units)
        yield PublishedNetwork(name, "ResNet", resnet, f"{_KERAS} and {_SLIM}, at 299")
    for name, stages in (("VGG16", (2, 2, 3, 3, 3)), ("VGG19", (2, 2, 4, 4, 4))):
        vgg = partial(large_networks.vgg, convolutions=stages)
        yield PublishedNetwork(name, "VGG", vgg, _KERAS)
    for name in ("DenseNet121", "DenseNet"):
        yield PublishedNetwork(name, "DenseNet", large_networks.densenet121, _KERAS)
    mobile = partial(nasnet.nasnet, filters=44, stem=32, cells=4, size=224, skips=False)
    yield PublishedNetwork("NASNet_mobile", "NASNet", mobile, _KERAS, 0.564)
    large = partial(nasnet.nasnet, filters=168, stem=96, cells=6, size=331, skips=True)
    yield PublishedNetwork("NASNet_large", "NASNet", large, _KERAS, 23.8)


def _detectors() -> Iterator[PublishedNetwork]:
    vino = f"{_ZOO}; {_OPEN_ZOO}"
    own = f"{_ZOO}; multiply-accumulates: its configuration file"
    for name, family, build, after, gmac in (
        ("SSD MobileNet v1@300x300", "SSD", detectors.ssd_mobilenet_v1, vino, 1.247),
        (
            "SSD MobileNet v1 0.75", "SSD",
            partial(detectors.ssd_mobilenet_v1, width=0.75), _ZOO, None,
        ),
        ("SSD Mobilenet v2@300x300", "SSD", detectors.ssd_mobilenet_v2, vino, 1.8875),
        ("SSD MobileNet v2", "SSD", detectors.ssd_mobilenet_v2, vino, 1.8875),
        ("SSDLite Mobilenet v2@300x300", "SSDLite", detectors.ssdlite_mobilenet_v2, vino, 0.7625),
        (
            "SSDLite Mobilenet v3 large@320x320", "SSDLite",
            partial(detectors.ssdlite_mobilenet_v3, large=True), own, 0.51,
        ),
        (
            "SSDLite Mobilenet v3 small@320x320", "SSDLite",
            partial(detectors.ssdlite_mobilenet_v3, large=False), _ZOO, None,
        ),
        (
            "SSDLite MobileNetEdgeTPU@320x320", "SSDLite",
            detectors.ssdlite_mobilenet_edgetpu, _ZOO, None,
        ),
        (
            "SSDLite MobileDet-CPU@320x320", "MobileDet",
            partial(detectors.ssdlite, backbone=mobiledet.mobiledet_cpu), own, 0.45,
        ),
        (
            "SSDLite MobileDet-EdgeTPU@320x320", "MobileDet",
            partial(detectors.ssdlite, backbone=mobiledet.mobiledet_edgetpu), own, 1.53,
        ),
        ("SSD Mobilenet v1 FPN@640x640", "SSD-FPN", detectors.ssd_fpn_mobilenet_v1, vino, 61.6545),
        ("SSD Resnet 50 v1 FPN@640x640", "SSD-FPN", detectors.ssd_fpn_resnet50, vino, 89.34),
        ("SSD MnasFPN@320x320", "MnasFPN", detectors.ssd_mnasfpn, own, 0.92),
    ):  # fmt: skip
        yield PublishedNetwork(name, family, build, after, gmac)
    for key, scale in SCALES.items():
        aliases = [f"EfficientDet-lite{key}@{scale.size}x{scale.size}"]
        if key != "3x":
            aliases.append(f"EfficientDet-Lite{key}")
        for name in aliases:
            build = partial(efficientdet_lite, scale=scale)
            yield PublishedNetwork(name, "EfficientDet-Lite", build, "google/automl efficientdet")
