"""The classes of AARs, moved to packages of their own, answer on a JVM as Python does."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from android import toolchain
from android.java import stand_in
from android.wrapper_java import driver
from android.wrapper_java.driver import Driver, Said, results, write_pixels
from edge_deploy_android.library.class_relocation import relocate_path, relocate_source
from edge_deploy_android.library.java_packages import WRAPPER_PACKAGE
from edge_deploy_runner.classifier import Classifier
from edge_deploy_runner.preprocessing import open_photo
from small_models_photo import write_model, write_photo

from edge_deploy.bundles.bundling import bundle

pytestmark = pytest.mark.xdist_group("android_library_answers")


class App:
    """Two AARs on one class path, as in one app, and a driver in the package of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = {
            "colors": write_model(folder, "colors.tflite"),
            "petals": write_model(folder, "petals.tflite", dtype="uint8", size=(20, 20)),
        }
        self.packages = {"colors": "dev.edgedeploy.colors", "petals": "com.example.petals"}
        libraries = (*toolchain.runtime_classes(), toolchain.dependencies().framework)
        self.path: list[Path] = []
        for name, model in self.models.items():
            package = self.packages[name]
            made = bundle(model, "android-aar", folder / f"{name}.aar", package=package)
            unpacked = folder / f"{name}-aar"
            with zipfile.ZipFile(made.path) as archive:
                archive.extractall(unpacked)
            source = folder / f"{name}-driver" / relocate_path(
                f"{WRAPPER_PACKAGE.replace('.', '/')}/Driver.java", WRAPPER_PACKAGE, package
            )  # fmt: skip
            source.parent.mkdir(parents=True)
            text = (driver.HERE / "Driver.java").read_text()
            source.write_text(relocate_source(text, WRAPPER_PACKAGE, package))
            classes = folder / f"{name}-driver-classes"
            toolchain.javac([source], classes, [unpacked / "classes.jar", *libraries])
            self.path += [classes, unpacked / "classes.jar"]
        self.path += libraries
        stand_in.build_stand_in(folder)

    def assets(self, name: str) -> Path:
        return self.folder / f"{name}-aar" / "assets" / "edge-deploy" / name

    def run(self, name: str, *command: object) -> Said:
        script = self.folder / "commands.txt"
        script.write_text("\t".join(map(str, command)) + "\n", "utf-8")
        java = Driver(tuple(self.path), self.folder).java
        done = java(f"{self.packages[name]}.Driver", script)
        assert done.returncode == 0, done.stderr[-3000:]
        first, *words = done.stdout.strip().split("\t")
        return Said(first == "ok", words)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    toolchain.program("clang-16", "clang-16")
    return App(tmp_path_factory.mktemp("app"))


@pytest.mark.parametrize("name", ["colors", "petals"])
def test_both_models_of_one_app_answer_as_python_does(
    app: App, tmp_path: Path, name: str
) -> None:  # fmt: skip
    for color in ("red", "green", "blue"):
        photo = open_photo(write_photo(tmp_path, color))
        pixels = write_pixels(tmp_path / "photo.raw", np.asarray(photo.convert("RGB")))
        said = app.run(name, "pixels", app.assets(name), "XNNPACK", 1, pixels, *photo.size)
        wanted = Classifier(app.models[name], 1).classify(photo)
        assert wanted.top[0].label == color
        found = [(index, label, raw) for index, label, _, raw in results(said)]
        assert found == [(s.index, s.label, pytest.approx(s.score, abs=1e-6)) for s in wanted.top]


@pytest.mark.parametrize("name", ["colors", "petals"])
def test_the_self_test_passes(app: App, name: str) -> None:
    said = app.run(name, "selftest", app.assets(name))
    assert said.ok, said.words
    assert said.words[0] == "true", said.words
    assert len(said.words) >= 5  # three inputs, a PNG, a JPEG


def test_the_self_test_can_fail(app: App) -> None:
    """A golden answer that is another: the self-test says so."""
    golden = app.assets("petals") / "golden" / "fast-1-1.npy"
    kept = golden.read_bytes()
    golden.write_bytes(kept[:-3] + bytes(255 - byte for byte in kept[-3:]))
    try:
        said = app.run("petals", "selftest", app.assets("petals"))
    finally:
        golden.write_bytes(kept)
    assert said.ok
    assert said.words[0] == "false"


def test_each_opens_the_assets_of_its_own_name(app: App, tmp_path: Path) -> None:
    source = tmp_path / "Names.java"
    source.write_text(
        "public class Names { public static void main(String[] a) {"
        "System.out.println(dev.edgedeploy.colors.Options.defaults().assetFolder() + ' '"
        "+ com.example.petals.Options.defaults().assetFolder()); } }"
    )
    classes = toolchain.javac([source], tmp_path / "classes", app.path)
    done = toolchain.java([classes, *app.path], "Names")
    assert done.stdout.split() == ["edge-deploy/colors", "edge-deploy/petals"]


def test_both_fit_in_one_dex(app: App, tmp_path: Path) -> None:
    jars = [app.folder / f"{name}-aar" / "classes.jar" for name in app.models]
    libraries = [*toolchain.runtime_classes(), toolchain.dependencies().framework]
    dex = toolchain.dexed(jars, tmp_path, libraries, min_api=26)
    data = dex.read_bytes()
    for name in (b"Ldev/edgedeploy/colors/Classifier;", b"Lcom/example/petals/Classifier;"):
        assert name in data
    assert b"dev/edgedeploy/classifier" not in data


MAIN = """
import java.io.File;

public final class Shrunk {
    public static void main(String[] words) throws Exception {
        dev.edgedeploy.colors.Options options = dev.edgedeploy.colors.Options.defaults().threads(1);
        int[] pixels = new int[100];
        java.util.Arrays.fill(pixels, 0xff0afa0a);
        try (dev.edgedeploy.colors.Classifier classifier =
                dev.edgedeploy.colors.Classifier.fromFolder(new File(words[0]), options)) {
            System.out.println(classifier.classifyPixels(pixels, 10, 10).best().label());
        }
    }
}
"""


def test_the_rules_are_enough_for_a_shrinker(app: App, tmp_path: Path) -> None:
    """R8 shrinks and renames the app with the AAR's own rules alone; it still answers."""
    unpacked = app.folder / "colors-aar"
    runtime, framework = toolchain.runtime_classes(), toolchain.dependencies().framework
    source = tmp_path / "Shrunk.java"
    source.write_text(MAIN)
    program = toolchain.javac([source], tmp_path / "main", app.path)
    (tmp_path / "app.txt").write_text(
        "-keep class Shrunk { public static void main(java.lang.String[]); }"
    )
    shrunk = tmp_path / "shrunk.jar"
    r8 = toolchain.dependencies().jar("r8-8.7.18.jar")
    done = toolchain.java(
        [r8], "com.android.tools.r8.R8", "--release", "--classfile",
        *("--lib", framework, "--lib", toolchain.jdk().java.parent.parent, "--output", shrunk),
        *("--pg-conf", tmp_path / "app.txt", "--pg-conf", unpacked / "proguard.txt"),
        program / "Shrunk.class", unpacked / "classes.jar", *runtime,
        options=["-XX:TieredStopAtLevel=1"],  # it ends before the better code would pay
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(shrunk) as archive:
        names = archive.namelist()
    assert "dev/edgedeploy/colors/Classifier.class" not in names  # it was renamed
    assert "org/tensorflow/lite/NativeInterpreterWrapper.class" in names
    found = Driver((shrunk, framework), app.folder).java("Shrunk", app.assets("colors"))
    assert found.stdout.strip() == "green", found.stderr[-3000:]


# What Gradle gives a build script, by the names and types of its documentation.
GRADLE = """
package org.jetbrains.kotlin.gradle.dsl

enum class JvmTarget { JVM_11 }
enum class JavaVersion { VERSION_11 }
class Property<T> { fun set(value: T) { println(value) } }
object Plugins { fun id(name: String) = println("plugin " + name) }
object DefaultConfig {
    var minSdk: Int? = null
    var testInstrumentationRunner: String? = null
    fun consumerProguardFiles(vararg files: Any) = println(files.toList())
}
object CompileOptions {
    var sourceCompatibility = JavaVersion.VERSION_11
    var targetCompatibility = JavaVersion.VERSION_11
}
object AndroidResources { val noCompress: MutableCollection<String> = mutableListOf() }
object Android {
    var namespace: String? = null
    var compileSdk: Int? = null
    fun defaultConfig(set: DefaultConfig.() -> Unit) = DefaultConfig.set()
    fun compileOptions(set: CompileOptions.() -> Unit) = CompileOptions.set()
    fun androidResources(set: AndroidResources.() -> Unit) = AndroidResources.set()
}
object CompilerOptions { val jvmTarget = Property<JvmTarget>() }
object Kotlin { fun compilerOptions(set: CompilerOptions.() -> Unit) = CompilerOptions.set() }
object Dependencies {
    fun api(what: Any) = println("api " + what)
    fun androidTestImplementation(what: Any) = println("test " + what)
}
fun plugins(set: Plugins.() -> Unit) = Plugins.set()
fun android(set: Android.() -> Unit) = Android.set()
fun kotlin(set: Kotlin.() -> Unit) = Kotlin.set()
fun dependencies(set: Dependencies.() -> Unit) = Dependencies.set()
"""


class Sources(NamedTuple):
    """A module's folder, and its sources, its build script and the README's examples, compiled."""

    module: Path
    java: Path
    kotlin: Path


@pytest.fixture(scope="module")
def compiled(app: App, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The compiler of Kotlin takes its time to start: all that is Kotlin goes through it at once.

    Gradle and its Android plugin are not to be had here; stand-ins have their words.
    """
    folder = tmp_path_factory.mktemp("sources")
    module = bundle(
        app.models["colors"], "android-module", folder / "module", package="org.example.kept"
    ).path  # fmt: skip
    java = toolchain.javac(
        sorted((module / "src/main/java").rglob("*.java")), folder / "java",
        toolchain.runtime_classes(), android=True,
    )  # fmt: skip
    head, body = (module / "build.gradle.kts").read_text().split("\n", 1)
    assert head == "import org.jetbrains.kotlin.gradle.dsl.JvmTarget"
    readme = (app.folder / "colors-aar" / "README.md").read_text()
    use, camera, check = (text for text in blocks(readme, "kotlin") if "classifier" in text)
    texts = {
        "Gradle.kt": GRADLE,
        "Build.kt": f"import org.jetbrains.kotlin.gradle.dsl.*\nfun main() {{\n{body}\n"
        "println(Android.namespace + DefaultConfig.minSdk + AndroidResources.noCompress)\n}\n",
        "Use.kt": "import android.util.Log\n"
        "class Info { val rotationDegrees = 90 }\n"
        "class Proxy : AutoCloseable { val image: android.media.Image? = null\n"
        "  val imageInfo = Info(); override fun close() {} }\n"
        "fun use(context: android.content.Context, bitmap: android.graphics.Bitmap) {\n"
        f"{use}}}\n"
        "fun look(classifier: dev.edgedeploy.colors.Classifier, proxy: Proxy) {\n"
        f"{camera}{check}}}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    files = [*(folder / name for name in texts), *(module / "src/main/kotlin").rglob("*.kt")]
    libraries = [java, *app.path, toolchain.kotlin_library()]
    return Sources(module, java, toolchain.kotlinc(files, folder / "kotlin", libraries))


def test_the_sources_of_a_module_compile(compiled: Sources) -> None:
    """Java for Java 8, and the Kotlin facade against it, in the module's package."""
    assert (compiled.java / "org/example/kept/Classifier.class").is_file()
    assert (compiled.kotlin / "org/example/kept/ktx/Classifier.class").is_file()


def test_the_build_script_is_kotlin_that_gradle_has_words_for(compiled: Sources) -> None:
    done = toolchain.java([compiled.kotlin, toolchain.kotlin_library()], "BuildKt")
    assert done.stdout.splitlines()[-1] == "org.example.kept26[tflite]"
    assert "api com.google.ai.edge.litert:litert:1.4.0" in done.stdout


def test_the_examples_of_the_readme_compile(app: App, compiled: Sources, tmp_path: Path) -> None:
    assert (compiled.kotlin / "UseKt.class").is_file()
    (java,) = blocks((app.folder / "colors-aar" / "README.md").read_text(), "java")
    (tmp_path / "Use.java").write_text(
        "import android.util.Log;\nimport dev.edgedeploy.colors.*;\n"
        "class Use { void run(android.content.Context context, android.graphics.Bitmap bitmap) {\n"
        f"{java}}} }}\n"
    )
    assert toolchain.javac([tmp_path / "Use.java"], tmp_path / "java", app.path).is_dir()


def blocks(readme: str, language: str) -> list[str]:
    """The examples of a README in one language."""
    return re.findall(rf"```{language}\n(.*?)```", readme, re.DOTALL)
