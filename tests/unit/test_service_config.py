"""service.toml: every key, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from edge_deploy_runner.errors import BadInputError
from edge_deploy_runner.service.config import (
    _TOP_KEYS,
    ServiceConfig,
    read_service_config,
)
from edge_deploy_runner.service.decisions import Rule
from edge_deploy_runner.service.keys import parse_quantity
from edge_deploy_runner.service.loop import describe
from edge_deploy_runner.service.sink_config import _KEYS, check_sink_labels
from edge_deploy_runner.service.sinks.mqtt import MqttSink
from small_models_photo import write_model

SMALLEST = 'model = "m.tflite"\nsource = "camera:0"\n'
WHOLE = """
model = "models/m.tflite"
source = "watch:in"
task = "detect"
labels = "labels.txt"
preprocess = "0-1"
override = true
threads = 2
threshold = 0.6
top = 3
interval = "500 ms"
existing = "process"
give_up = "2 min"
state_folder = "state"

[decision]
frames = "3 of 5"
cooldown = "10 s"

[camera]
size = "1280x720"
frames_per_second = 7.5

[limits]
memory = "200 MB"

[[sink]]
type = "jsonl"

[[sink]]
type = "log"
path = "events.log"
max_size = "1 MB"
keep = 3
when = ["answer", "fired"]

[[sink]]
type = "command"
argv = ["/usr/bin/notify-send", "{label}"]
labels = ["cat", "dog"]
timeout = "5 s"
queue = 4

[[sink]]
type = "gpio"
pin = 17
action = "follow"
active_high = false

[[sink]]
type = "mqtt"
host = "broker.local"
topic = "pi/door"
tls = true
username = "me"
password_file = "secret"
"""


def read(folder: Path, text: str, environment: dict[str, str] | None = None) -> ServiceConfig:
    path = folder / "service.toml"
    path.write_text(text)
    return read_service_config(path, environment or {})


def test_the_smallest_file(tmp_path: Path) -> None:
    config = read(tmp_path, SMALLEST)
    assert (config.model, config.source) == (tmp_path / "m.tflite", "camera:0")
    assert config.rule == Rule(1, 1, 0.0)
    assert (config.task, config.threads, config.threshold, config.sinks) == ("auto", None, None, ())
    assert (config.memory_bytes, config.state_folder, config.interval_s) == (None, None, 0.0)


def test_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "secret").write_text("pass word\n")
    (tmp_path / "secret").chmod(0o600)
    config = read(tmp_path, WHOLE)
    assert config.model == tmp_path / "models" / "m.tflite"
    assert config.source == f"watch:{tmp_path / 'in'}"
    assert config.labels == ("cat", "dog")
    assert config.preprocessing is not None
    assert config.preprocessing.source == "0-1"
    assert (config.threads, config.threshold, config.top, config.override) == (2, 0.6, 3, True)
    assert (config.interval_s, config.give_up_s, config.existing) == (0.5, 120.0, "process")
    assert config.rule == Rule(3, 5, 10.0)
    assert (config.camera_size, config.camera_rate) == ((1280, 720), 7.5)
    assert config.memory_bytes == 200_000_000
    assert config.state_folder == tmp_path / "state"
    assert [sink.type for sink in config.sinks] == ["jsonl", "log", "command", "gpio", "mqtt"]
    assert [sink.when for sink in config.sinks] == [
        ("answer", "fired", "released", "error"), ("answer", "fired"), ("fired",),
        ("fired", "released"), ("fired", "released"),
    ]  # fmt: skip
    assert config.sinks[2].labels == ("cat", "dog")
    assert "broker.local:8883 over TLS" in config.sinks[4].words
    assert "pass word" not in repr(config)


def test_relative_paths_start_at_the_file_and_others_stay(tmp_path: Path) -> None:
    sources = {
        "camera:1": "camera:1",
        "picamera:0": "picamera:0",
        "/dev/video0": "/dev/video0",
        "/photos": "/photos",
        "photos": str(tmp_path / "photos"),
        "watch:/srv/in": "watch:/srv/in",
        "film.mp4": str(tmp_path / "film.mp4"),
    }
    for given, expected in sources.items():
        assert read(tmp_path, f'model = "m"\nsource = "{given}"').source == expected


def test_systemds_state_folder_is_the_default(tmp_path: Path) -> None:
    environment = {"STATE_DIRECTORY": "/var/lib/door:/var/lib/other"}
    assert read(tmp_path, SMALLEST, environment).state_folder == Path("/var/lib/door")
    own = read(tmp_path, 'state_folder = "here"\n' + SMALLEST, environment)
    assert own.state_folder == tmp_path / "here"


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ("modle = 1", r"unknown key 'modle'; valid keys: camera, .*model"),
        ("threads = 0", "threads is 0; give a whole number from 1 to 64"),
        ("threads = true", "threads is True"),
        ("threads = 1.5", "threads is 1.5"),
        ('threshold = "high"', "threshold is 'high'; give a number from 0 to 1"),
        ("threshold = nan", "threshold is nan"),
        ("threshold = 2", "threshold is 2"),
        ('task = "segment"', "one of auto, classify, detect"),
        ('existing = "all"', "one of skip, process"),
        ('interval = "5"', 'a time such as "5 s"'),
        ("interval = 5", 'a time such as "5 s"'),
        ('interval = "-5 s"', 'a time such as "5 s"'),
        ("override = 1", "true or false"),
        ("labels = 3", "labels is 3; give a text"),
        ('labels = "none.txt"', "cannot be read"),
        ('preprocess = "nonsense"', "unknown preprocessing preset"),
        ("decision = 3", r"a table, \[decision\]"),
        ('[decision]\nframes = "5 of 3"', r"\[decision\]: 5 of 3 frames makes no sense"),
        (
            "[decision]\nframe = 1",
            r"\[decision\]: unknown key 'frame'; valid keys: cooldown, frames",
        ),
        ('[limits]\nmemory = "200"', 'a size such as "200 MB"'),
        ('[limits]\nmemory = "200 mb"', "B, kB, MB, GB"),
        ('[limits]\nmemory = "0 MB"', "a size"),
        ("[limits]\ncpu = 1", "unknown key 'cpu'; valid keys: memory"),
        ('[camera]\nsize = "big"', 'width and height such as "640x480"'),
        ("[camera]\nframes_per_second = 0", "a number from 0.01 to 1000"),
        ("[sink]\ntype = 'jsonl'", r"tables, each under \[\[sink\]\]"),
        ("[[sink]]", "type is missing; use one of jsonl, log, command, gpio, mqtt"),
        ('[[sink]]\ntype = "email"', "one of jsonl, log"),
        (
            '[[sink]]\ntype = "jsonl"\npin = 1',
            "1: unknown key 'pin' for jsonl; valid",
        ),
        ('[[sink]]\ntype = "log"', "path is missing"),
        ('[[sink]]\ntype = "log"\npath = "x"\nmax_size = 5', "a size such as"),
        ('[[sink]]\ntype = "jsonl"\nwhen = ["seen"]', "a list of answer, fired, released, error"),
        ('[[sink]]\ntype = "jsonl"\nlabels = [1]', "a list of texts"),
        ('[[sink]]\ntype = "command"', "argv must be a list of texts"),
        ('[[sink]]\ntype = "command"\nargv = "ls {label}"', "argv must be a list of texts"),
        ('[[sink]]\ntype = "command"\nargv = ["sh", "-c", "x {label}"]', "whole arguments"),
        ('[[sink]]\ntype = "gpio"', "pin is missing"),
        ('[[sink]]\ntype = "gpio"\npin = 99', "from 0 to 53"),
        ('[[sink]]\ntype = "gpio"\npin = 4\nwhen = ["answer"]', "a list of fired, released"),
        ('[[sink]]\ntype = "gpio"\npin = 4\naction = "blink"', "one of follow, pulse"),
        ('[[sink]]\ntype = "mqtt"\ntopic = "t"', "host is missing"),
        ('[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "a/#"', "without # or"),
        ('[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "a"\nqos = 3', "from 0 to 2"),
    ],
)
def test_wrong_values_are_named_with_what_would_be_right(
    tmp_path: Path, extra: str, match: str
) -> None:
    text = f"{SMALLEST}{extra}\n"
    with pytest.raises(BadInputError, match=match) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "model is missing"),
        ('model = "m"', "source is missing"),
        ('model = ""\nsource = "camera:0"', "model is ''"),
        ("model = ", "is no TOML"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        read(tmp_path, text)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no configuration at"):
        read_service_config(tmp_path / "no.toml")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_service_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="is no TOML"):
        read_service_config(tmp_path / "binary.toml")


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o644)
    sink = '[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "t"\npassword_file = "secret"\n'
    (made,) = read(tmp_path, SMALLEST + sink).sinks
    with pytest.raises(BadInputError, match="chmod 600"):
        made.make(pytest.fail)
    (tmp_path / "secret").unlink()
    with pytest.raises(BadInputError, match=r"the password file .*secret cannot be read"):
        made.make(pytest.fail)


def test_a_password_may_be_a_credential_of_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = (
        '[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "t"\nusername = "me"\n'
        'password_file = "$CREDENTIALS_DIRECTORY/mqtt"\n'
    )
    (made,) = read(tmp_path, SMALLEST + sink).sinks
    assert made.in_unit_only
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(BadInputError, match="LoadCredential="):
        made.make(pytest.fail)
    secret = tmp_path / "credentials" / "mqtt"
    secret.parent.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent))
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        made.make(pytest.fail)
    secret.write_text("pass word\n")
    secret.chmod(0o440)  # as systemd leaves it where an access list lets the user in
    opened = made.make(pytest.fail)
    assert isinstance(opened, MqttSink)
    assert opened.broker.password == "pass word"
    secret.chmod(0o444)
    with pytest.raises(BadInputError, match="may be read by others"):
        made.make(pytest.fail)


def test_a_check_outside_the_unit_does_without_its_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an installer checks it: there is no credential then, and nothing wrong."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    write_model(tmp_path, "m.tflite")
    sink = '[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "t"\npassword_file = '
    words = describe(read(tmp_path, f'{SMALLEST}{sink}"$CREDENTIALS_DIRECTORY/mqtt"\n'))
    assert "sink     mqtt: t at h:1883" in words
    with pytest.raises(BadInputError, match="cannot be read"):
        describe(read(tmp_path, f'{SMALLEST}{sink}"mqtt"\n'))


def test_a_password_that_the_service_may_not_read_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    sink = '[[sink]]\ntype = "mqtt"\nhost = "h"\ntopic = "t"\npassword_file = "secret"\n'
    (made,) = read(tmp_path, SMALLEST + sink).sinks

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # tests may run as root, who reads everything
    with pytest.raises(BadInputError, match=r"LoadCredential= .*CREDENTIALS_DIRECTORY/NAME"):
        made.make(pytest.fail)


def test_labels_that_a_model_never_gives_are_refused(tmp_path: Path) -> None:
    sink = '[[sink]]\ntype = "gpio"\npin = 4\nlabels = ["catt"]\n'
    config = read(tmp_path, SMALLEST + sink)
    with pytest.raises(BadInputError, match=r"no label 'catt', .*did you mean cat\?"):
        check_sink_labels(config.sinks, ("cat", "dog"), "m.tflite")
    check_sink_labels(config.sinks, ("catt",), "m.tflite")
    check_sink_labels(config.sinks, (), "m.tflite")


def test_quantities() -> None:
    units = {"B": 1.0, "kB": 1e3}
    assert parse_quantity("2.5 kB", units) == 2500
    assert parse_quantity("7B", units) == 7
    for wrong in ("", "kB", "1 KB", "1e3 B", "-1 B", 5, None, "1 kB kB"):
        assert parse_quantity(wrong, units) is None


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
    section = text[text.index("## Service") :]
    example = section.split("```toml\n")[1].split("```")[0]
    config = read(tmp_path, example)
    assert [sink.type for sink in config.sinks] == ["jsonl", "log", "command", "gpio", "mqtt"]
    assert config.rule == Rule(3, 5, 10.0)
    keys = {line.split("=")[0].strip() for line in example.splitlines() if "=" in line}
    documented = " ".join(section.split("```")[2].split())
    for key in (*_TOP_KEYS, *(key for some in _KEYS.values() for key in some)):
        assert key in keys or f"`{key}`" in documented or f"[{key}]" in example, key
