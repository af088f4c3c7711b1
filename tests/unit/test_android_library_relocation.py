"""Moving compiled classes to another package: they load, run, and name the old one nowhere."""

from __future__ import annotations

import random
import subprocess
import zipfile
from pathlib import Path

import pytest
from android import toolchain
from edge_deploy_android.library.class_relocation import (
    relocate_class,
    relocate_path,
    relocate_source,
    string_constants,
)
from edge_deploy_runner.errors import BundleError

OLD = "org.example.old"
EVERYTHING = """
package org.example.old;

import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.example.old.inner.Deep;

public class Everything<T extends Deep & Supplier<? super T>> implements Supplier<Deep[][]> {
    @Retention(RetentionPolicy.RUNTIME)
    public @interface Mark {
        Class<?> of();
        Kind kind() default Kind.FIRST;
        String text() default "org.example.old.inner.Deep";
    }

    public enum Kind { FIRST, SECOND { @Override public String toString() { return "2nd"; } } }

    public static class Outer<A> {
        public class In<B extends List<? extends Deep>> {
            Map<A, B[]> held = new TreeMap<>();
        }
    }

    public static final long WIDE = 1L << 40;
    public static final double ALSO_WIDE = 0.1;
    public Outer<Deep>.In<List<Deep>> field;
    public List<? super Comparable<Deep>>[] other;

    @Mark(of = Deep[].class, kind = Kind.SECOND)
    public <X extends Exception> List<Deep> method(Map<? super Deep, ? extends T[]> map) throws X {
        List<Deep> local = new ArrayList<>();
        local.add(new Deep("local"));
        return local;
    }

    @Override
    public Deep[][] get() {
        return new Deep[][] {{new Deep("array")}};
    }

    public static void main(String[] words) throws Exception {
        Function<String, Deep> make = Deep::new;
        Supplier<Kind> kind = () -> Kind.SECOND;
        Object made = make.apply("lambda");
        Mark mark = Everything.class.getMethod("method", Map.class).getAnnotation(Mark.class);
        System.out.println(made + " " + kind.get() + " " + WIDE + " " + ALSO_WIDE);
        System.out.println(mark.of().getName() + " " + mark.kind() + " " + mark.text());
        System.out.println(Class.forName("org.example.old.inner.Deep").getSimpleName());
        System.out.println(Everything.class.getMethod("method", Map.class).toGenericString());
        System.out.println(Everything.class.getField("field").getGenericType());
        System.out.println(Everything.class.getGenericInterfaces()[0]);
        System.out.println("name-of-the-model" + ((Deep[][]) new Everything().get())[0][0]);
        System.out.println("xorg.example.old.inner org.example.older org/example/old/inner/Deep");
    }
}
"""
DEEP = """
package org.example.old.inner;

public class Deep implements Comparable<Deep> {
    private final String text;
    public Deep(String text) { this.text = text; }
    @Override public int compareTo(Deep other) { return text.compareTo(other.text); }
    @Override public String toString() { return getClass().getName() + ":" + text; }
}
"""
LOADER = """
import java.io.File;
import java.nio.file.Files;

public class Load {
    public static void main(String[] names) throws Exception {
        for (String name : Files.readAllLines(new File(names[0]).toPath())) {
            Class<?> found = Class.forName(name, false, Load.class.getClassLoader());
            found.getDeclaredMethods();
            found.getDeclaredFields();
            found.toGenericString();
            for (java.lang.reflect.Method method : found.getDeclaredMethods()) {
                method.toGenericString();
            }
        }
        System.out.println("loaded");
    }
}
"""


def compiled(folder: Path, sources: dict[str, str]) -> dict[str, bytes]:
    """Class files by their path, with all debugging information."""
    files = []
    for name, text in sources.items():
        path = folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(path)
    classes = folder / "classes"
    classes.mkdir()
    subprocess.run(
        [toolchain.jdk().javac, "--release", "8", "-g", "-parameters", "-nowarn", "-d", classes,
         *files],
        check=True, capture_output=True,
    )  # fmt: skip
    return {p.relative_to(classes).as_posix(): p.read_bytes() for p in classes.rglob("*.class")}


def moved_to(folder: Path, classes: dict[str, bytes], old: str, new: str) -> Path:
    for path, data in classes.items():
        target = folder / relocate_path(path, old, new)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(relocate_class(data, old, new, {"name-of-the-model": "mine"}))
    return folder


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return compiled(
        tmp_path_factory.mktemp("everything"),
        {"org/example/old/Everything.java": EVERYTHING, "org/example/old/inner/Deep.java": DEEP},
    )


@pytest.mark.parametrize("new", ["x.y", "com.example.a_much_longer_package.of.mine", OLD + ".more"])
def test_what_ran_before_runs_after(
    tmp_path: Path, everything: dict[str, bytes], new: str
) -> None:  # fmt: skip
    before = moved_to(tmp_path / "before", everything, OLD, OLD)
    after = moved_to(tmp_path / "after", everything, OLD, new)
    expected = toolchain.java([before], f"{OLD}.Everything")
    found = toolchain.java([after], f"{new}.Everything", options=["-Xverify:all"])
    assert (expected.returncode, found.returncode) == (0, 0), found.stderr
    *changed, kept = expected.stdout.splitlines()
    assert "mine" in changed[-1]
    *found_changed, found_kept = found.stdout.splitlines()
    assert found_changed == [line.replace(OLD, new) for line in changed]
    slashed = new.replace(".", "/")
    assert found_kept == kept.replace("org/example/old/inner", f"{slashed}/inner")


def test_the_old_name_is_nowhere(tmp_path: Path, everything: dict[str, bytes]) -> None:
    after = moved_to(tmp_path, everything, OLD, "com.example.fresh")
    for path in after.rglob("*.class"):
        text = path.read_bytes()
        text = text.replace(b"xorg.example.old.inner org.example.older", b"")
        assert b"org/example/old" not in text
        assert b"org.example.old" not in text
        shown = subprocess.run(
            [toolchain.jdk().java.with_name("javap"), "-v", "-p", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shown.returncode == 0
        assert "Error:" not in shown.stderr


def test_real_libraries_load(tmp_path: Path) -> None:
    """Two real libraries, compiled by others, moved whole."""
    names, classes = [], {}
    for jar in toolchain.runtime_classes():
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.endswith(".class") and name.startswith("org/tensorflow/lite/"):
                    classes[name] = archive.read(name)
    assert len(classes) > 40
    new = "com.example.moved.elsewhere"
    after = moved_to(tmp_path / "after", classes, "org.tensorflow.lite", new)
    for path in after.rglob("*.class"):
        assert b"org/tensorflow/lite" not in path.read_bytes()
        name = path.relative_to(after).with_suffix("").as_posix().replace("/", ".")
        names.append(name)
    (tmp_path / "names").write_text("\n".join(names))
    loader = compiled(tmp_path, {"Load.java": LOADER})
    (tmp_path / "Load.class").write_bytes(loader["Load.class"])
    framework = toolchain.dependencies().framework
    done = toolchain.java(
        [tmp_path, after, framework], "Load", tmp_path / "names", options=["-Xverify:all"]
    )
    assert done.stdout.strip() == "loaded", done.stderr


def test_strings(everything: dict[str, bytes]) -> None:
    data = everything["org/example/old/Everything.class"]
    assert "name-of-the-model" in string_constants(data)
    moved = relocate_class(data, OLD, "a.b", {"name-of-the-model": "mine"})
    assert "mine" in string_constants(moved)
    assert "a.b.inner.Deep" in string_constants(moved)


def test_moving_there_and_back_changes_nothing(everything: dict[str, bytes]) -> None:
    for data in everything.values():
        there = relocate_class(data, OLD, "com.example.fresh")
        assert there != data
        assert relocate_class(there, "com.example.fresh", OLD) == data
        assert relocate_class(data, "org.example.none", "a.b") == data


def test_damaged_classes_are_refused_or_read(everything: dict[str, bytes]) -> None:
    """Cut short or with bytes flipped: a `BundleError`, or some class; nothing else is raised."""
    chance = random.Random(4)
    refused = 0
    for data in everything.values():
        for _ in range(150):
            damaged = bytearray(data)
            damaged[chance.randrange(len(data) // 2)] ^= 1 << chance.randrange(8)
            cut = bytes(damaged[: chance.choice([len(data), chance.randrange(len(data))])])
            try:
                relocate_class(cut, OLD, "a.b")
            except BundleError:
                refused += 1
    assert refused > 100


def test_refusals(everything: dict[str, bytes]) -> None:
    with pytest.raises(BundleError, match="none"):
        relocate_class(b"PK\3\4 and more", OLD, "a.b")
    data = everything["org/example/old/Everything.class"]
    with pytest.raises(BundleError, match="too long"):
        relocate_class(data, OLD, "a." + "b" * 65500)


def test_kotlin_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "K.kt"
    source.write_text("package org.example.old\nclass K(val n: Int)\n")
    classes = toolchain.kotlinc([source], tmp_path / "classes", [toolchain.kotlin_library()])
    with pytest.raises(BundleError, match="Kotlin"):
        relocate_class((classes / "org/example/old/K.class").read_bytes(), OLD, "a.b")


def test_sources_and_paths() -> None:
    text = "package org.example.old;\nimport org.example.old.inner.Deep; // org.example.older\n"
    assert relocate_source(text, OLD, "a.b") == (
        "package a.b;\nimport a.b.inner.Deep; // org.example.older\n"
    )
    assert relocate_source("my.org.example.old", OLD, "a.b") == "my.org.example.old"
    assert relocate_path("org/example/old/inner/D.java", OLD, "a.b") == "a/b/inner/D.java"
    assert relocate_path("org/example/older/D.java", OLD, "a.b") == "org/example/older/D.java"
