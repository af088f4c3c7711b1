"""Names of Java packages: which ones Java, Kotlin and Android take."""

from __future__ import annotations

import re

from edge_deploy_runner.errors import UsageError

WRAPPER_PACKAGE = "dev.edgedeploy.classifier"
_DEFAULT_PARENT = "dev.edgedeploy"
_SEGMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST = 200
_JAVA_TEXT = (
    "abstract assert boolean break byte case catch char class const continue default do double "
    "else enum extends false final finally float for goto if implements import instanceof int "
    "interface long native new null package private protected public return short static "
    "strictfp super switch synchronized this throw throws transient true try void volatile "
    "while"
)
# Kotlin takes these in an import in backticks only.
_KOTLIN_TEXT = "as fun in is object typealias typeof val var when"
_JAVA_WORDS, _KOTLIN_WORDS = frozenset(_JAVA_TEXT.split()), frozenset(_KOTLIN_TEXT.split())
_TAKEN = ("android", "androidx", "java", "javax", "kotlin", "kotlinx", "dalvik")
# Where a phone's own classes of edge-deploy lie.
_OURS = ("dev.edgedeploy.harness",)
# The runtime's own: its classes and ours would have the same names.
_RUNTIMES = re.compile(r"(org\.tensorflow|com\.google\.ai\.edge)(\..*)?")


def check_package(package: str) -> str:
    """The package, if an app can use it; raises `UsageError` that says what is wrong with it."""
    segments = package.split(".")
    if len(package) > _LONGEST:
        raise UsageError(
            f"the package name is {len(package)} characters long; use at most {_LONGEST}"
        )
    if not all(segments):
        raise UsageError(
            f"{package!r} is no Java package: it has an empty part; use one like "
            "com.example.flowers"
        )
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise UsageError(
                f"{package!r} is no Java package: {segment!r} must begin with a letter and hold "
                "letters, digits and underscores alone; use one like com.example.flowers"
            )
        if segment in _JAVA_WORDS or segment in _KOTLIN_WORDS:
            language = "Java" if segment in _JAVA_WORDS else "Kotlin"
            raise UsageError(
                f"{package!r} is no package: {segment!r} is a word of {language}; use one like "
                "com.example.flowers"
            )
    if len(segments) < 2:
        raise UsageError(
            f"{package!r} has one part, and Android wants two or more; use one like "
            "com.example.flowers"
        )
    if segments[-1] == "R":
        raise UsageError(
            f"{package!r} would hide the class R of an app in {'.'.join(segments[:-1])}; use one "
            "like com.example.flowers"
        )
    ours = any(f"{package}.".startswith(f"{taken}.") for taken in _OURS)
    if segments[0] in _TAKEN or ours or _RUNTIMES.fullmatch(package):
        raise UsageError(
            f"{package!r} belongs to others; use a package of your own, like com.example.flowers"
        )
    return package


def default_package(name: str) -> str:
    """The package of a model by its name: dev.edgedeploy.mobilenet_v2 for "MobileNet-v2"."""
    segment = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not segment or not segment[0].isalpha():
        segment = f"model_{segment}".rstrip("_")
    if segment in _JAVA_WORDS or segment in _KOTLIN_WORDS:
        segment += "_model"
    package = f"{_DEFAULT_PARENT}.{segment}"
    return f"{package}_model" if package in _OURS else package
