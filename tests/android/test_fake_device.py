"""The fake phone itself, seen through the real adb client: what other tests rely on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import toolchain
from .fake_device.adb_server import AdbServer
from .fake_device.phone import TESTS, FakePhone
from .fake_device.phone_root import SYSTEM
from .fake_device.wire import CLSE, OKAY, OPEN, WRTE, Link, LinkLostError, Stream
from .hello_program import shell


def test_a_command_has_its_own_exit_code_and_stderr(fake_phone: FakePhone) -> None:
    done = shell(fake_phone, "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)


def test_a_command_that_dies_of_a_signal_ends_with_128_and_its_number(
    fake_phone: FakePhone,
) -> None:
    assert shell(fake_phone, "kill -9 $$").returncode == 137


def test_stdin_goes_through_unchanged_and_its_end_is_seen(fake_phone: FakePhone) -> None:
    data = os.urandom(3_000_000)
    done = shell(fake_phone, "cat", input=data)
    assert done.stdout == data


def test_the_shell_user_has_no_rights_of_root(fake_phone: FakePhone) -> None:
    assert b"uid=2000(shell)" in shell(fake_phone, "id").stdout
    for path in ("/system/bin/x", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "/x"):
        assert shell(fake_phone, f"echo 1 > {path}").returncode != 0
    assert fake_phone.run("touch /data/local/tmp/mine")[0] == 0


def test_exec_out_is_binary_and_a_terminal_is_one(fake_phone: FakePhone) -> None:
    adb = ["adb", "-s", fake_phone.serial]
    done = subprocess.run(
        [*adb, "exec-out", "printf 'a\\nb\\n'; test -t 1 || echo no"],
        env=fake_phone.environment,
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"a\nb\nno\n"
    with_terminal = subprocess.run(
        [*adb, "shell", "-tt", "test -t 1 && echo yes"],
        env=fake_phone.environment,
        capture_output=True,
        check=False,
    )
    assert with_terminal.stdout == b"yes\r\n"


def test_push_and_pull_of_100_megabytes(fake_phone: FakePhone, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 100
    (tmp_path / "large").write_bytes(data)
    adb = fake_phone.server.adb
    assert adb("push", str(tmp_path / "large"), "/data/local/tmp/large").returncode == 0
    digest = shell(fake_phone, "sha256sum /data/local/tmp/large").stdout.split()[0].decode()
    assert digest == hashlib.sha256(data).hexdigest()
    assert adb("pull", "/data/local/tmp/large", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == data


def test_folders_go_both_ways(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "there/in").mkdir(parents=True)
    (tmp_path / "there/in/a b").write_text("1")
    (tmp_path / "there/empty").write_text("")
    adb = fake_phone.server.adb
    assert adb("push", str(tmp_path / "there"), "/data/local/tmp/new").returncode == 0
    assert adb("pull", "/data/local/tmp/new", str(tmp_path / "back")).returncode == 0
    found = sorted(str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*"))
    assert found == ["empty", "in", "in/a b"]


def test_what_adb_is_refused(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 200_000)
    adb = fake_phone.server.adb
    missing = adb("pull", "/data/local/tmp/nothing", str(tmp_path / "back"))
    assert missing.returncode == 1
    assert "No such file" in missing.stderr + missing.stdout
    forbidden = adb("push", str(tmp_path / "file"), "/system/bin/file")
    assert forbidden.returncode == 1
    assert "Permission denied" in forbidden.stderr + forbidden.stdout


def test_streams_run_at_once(fake_phone: FakePhone) -> None:
    place = "/data/local/tmp/stream"
    # Each waits for all others; one after the other, the first would wait in vain.
    meeting = (
        f"touch {place}$0; n=0; "
        f"until [ -e {place}1 ] && [ -e {place}2 ] && [ -e {place}3 ] && [ -e {place}4 ] && "
        f"[ -e {place}5 ]; do n=$((n+1)); [ $n -lt 600 ] || exit 9; sleep 0.1; done; "
        "cat /proc/meminfo"
    )
    done: list[subprocess.CompletedProcess[bytes]] = []
    waiting = [
        threading.Thread(
            target=lambda number: done.append(
                shell(fake_phone, f"sh -c {shlex.quote(meeting)} {number}")
            ),
            args=(number,),
        )
        for number in range(1, 5)
    ]
    for thread in waiting:
        thread.start()
    assert shell(fake_phone, "echo quick").stdout == b"quick\n"
    assert done == []  # they still wait for the fifth
    shell(fake_phone, f"touch {place}5")
    for thread in waiting:
        thread.join()
    assert [ended.returncode for ended in done] == [0] * 4
    assert all(b"MemTotal" in ended.stdout for ended in done)


def test_a_client_that_is_killed_takes_its_command_along(fake_phone: FakePhone) -> None:
    client = subprocess.Popen(
        ["adb", "-s", fake_phone.serial, "shell", "sleep 1000"],
        env=fake_phone.environment,
        stdin=subprocess.PIPE,
    )
    while "sleep 1000" not in fake_phone.processes():
        time.sleep(0.02)
    client.kill()
    client.wait()
    assert fake_phone.wait_until_idle() == []


def test_a_shell_that_ignores_hanging_up_sees_the_end_of_its_stdin(fake_phone: FakePhone) -> None:
    command = (
        "trap '' HUP; touch /data/local/tmp/begun; cat >/dev/null; touch /data/local/tmp/ended"
    )
    client = subprocess.Popen(
        ["adb", "-s", fake_phone.serial, "shell", command],
        env=fake_phone.environment,
        stdin=subprocess.PIPE,
    )
    while "/data/local/tmp/begun" not in fake_phone.files():
        time.sleep(0.02)
    fake_phone.disconnect()
    client.wait()
    assert fake_phone.wait_until_idle() == []
    assert "/data/local/tmp/ended" in fake_phone.files()


# The JVM behind app_process.


def test_app_process_runs_dex_and_ends_as_it_ended(fake_phone: FakePhone, hello_jar: Path) -> None:
    fake_phone.server.adb("push", str(hello_jar), "/data/local/tmp/hello.jar")
    run = "CLASSPATH=/data/local/tmp/hello.jar app_process / dev.edgedeploy.fake.Hello"
    done = shell(fake_phone, f"{run} 0")
    assert (done.returncode, done.stdout) == (3, b"ABI of 0\n")
    assert b"XNNPACK" in done.stderr
    log = shell(fake_phone, "logcat -d -v brief -s tflite").stdout.decode()
    assert log.startswith("I/tflite  (")
    fake_phone.fault(crash_signal=signal.SIGSEGV, crash_after_s=0.1)
    assert shell(fake_phone, f"{run} 60000").returncode == 128 + signal.SIGSEGV
    assert fake_phone.wait_until_idle() == []


def test_two_phones_convert_the_same_dex_at_once(
    two_phones: tuple[FakePhone, FakePhone], hello_jar: Path, tmp_path: Path
) -> None:
    """Processes on different phones often have the same ids, and their cache is one."""
    run = "CLASSPATH=/data/local/tmp/hello.jar app_process / dev.edgedeploy.fake.Hello 0"
    with zipfile.ZipFile(hello_jar) as whole:
        dex = whole.read("classes.dex")
    for number in range(4):
        jar = tmp_path / f"{number}.jar"
        with zipfile.ZipFile(jar, "w") as made:
            made.writestr("classes.dex", dex)
            made.writestr("new", os.urandom(8))  # nobody has converted this one yet
        for phone in two_phones:
            phone.server.adb("-s", phone.serial, "push", str(jar), "/data/local/tmp/hello.jar")
        with ThreadPoolExecutor(2) as pool:
            for done in pool.map(lambda phone: shell(phone, run), two_phones):
                assert (done.returncode, done.stdout) == (3, b"ABI of 0\n"), done


def test_a_jar_without_dex_is_not_run(fake_phone: FakePhone, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "classes.jar", "w") as jar:
        jar.writestr("Hello.class", b"\xca\xfe\xba\xbe")
    fake_phone.server.adb("push", str(tmp_path / "classes.jar"), "/data/local/tmp/classes.jar")
    done = shell(fake_phone, "CLASSPATH=/data/local/tmp/classes.jar app_process / Hello")
    assert done.returncode == 1
    assert b"ClassNotFoundException" in done.stderr


def test_a_library_for_the_phone_is_covered_by_thedesktop_folders_and_keeps_its_bytes(
    fake_phone: FakePhone, hello_jar: Path, tmp_path: Path
) -> None:
    adb = fake_phone.server.adb
    adb("push", str(hello_jar), "/data/local/tmp/hello.jar")
    with zipfile.ZipFile(toolchain.BUILT / "tensorflow-lite-2.16.1.aar") as aar:
        for abi in ("x86_64", "arm64-v8a"):
            library = tmp_path / f"{abi}.so"
            library.write_bytes(aar.read(f"jni/{abi}/libtensorflowlite_jni.so"))
            adb("push", str(library), f"/data/local/tmp/{abi}.so")
    run = "CLASSPATH=/data/local/tmp/hello.jar app_process / dev.edgedeploy.fake.Hello 0"
    loaded = shell(fake_phone, f"{run} /data/local/tmp/x86_64.so")
    assert loaded.returncode == 3, loaded
    assert loaded.stdout.splitlines()[-1] == b"loaded"
    refused = shell(fake_phone, f"{run} /data/local/tmp/arm64-v8a.so")
    assert refused.returncode == 1
    assert b"UnsatisfiedLinkError" in refused.stderr
    digest = shell(fake_phone, "sha256sum /data/local/tmp/x86_64.so").stdout.split()[0].decode()
    assert digest == hashlib.sha256((tmp_path / "x86_64.so").read_bytes()).hexdigest()


# Services.


def test_properties_and_settings(fake_phone: FakePhone) -> None:
    assert shell(fake_phone, "getprop ro.boot.qemu").stdout == b"1\n"
    assert shell(fake_phone, "getprop no.such").stdout == b"\n"
    fake_phone.set_property("ro.product.model", "a [b]: c")
    assert shell(fake_phone, "getprop ro.product.model").stdout == b"a [b]: c\n"
    before = fake_phone.snapshot()
    shell(fake_phone, "settings put global stay_on_while_plugged_in 7; dumpsys battery unplug")
    shell(fake_phone, "settings put system new 1; input keyevent 223")
    changed = {path for path, what in fake_phone.snapshot().items() if before.get(path) != what}
    assert changed == {
        "/fake/state/settings/global/stay_on_while_plugged_in",
        "/fake/state/settings/system/new",
        "/fake/state/kept/battery_override",
        "/fake/state/kept/wakefulness",
    }
    shell(fake_phone, "settings put global stay_on_while_plugged_in 0; dumpsys battery reset")
    shell(fake_phone, "settings delete system new; input keyevent 224")
    assert fake_phone.snapshot() == before


def test_the_battery_empties_faster_under_load(fake_phone: FakePhone) -> None:
    def energy_uj() -> int:
        meter = "dumpsys android.hardware.power.stats.IPowerStats/default"
        text = shell(fake_phone, meter).stdout.decode()
        return round(sum(map(float, re.findall(r"([\d.]+) mWs", text))) * 1000)

    def over(command: str) -> int:
        begin = energy_uj()
        shell(fake_phone, command)
        return energy_uj() - begin

    idle, load = over("sleep 2"), over("timeout 2 sh -c 'while :; do :; done'")
    assert 0 < idle < load
    fake_phone.fault(counters_still=True)
    deadline = time.monotonic() + 60
    while over("sleep 0.5") != 0 and time.monotonic() < deadline:
        pass  # what was being added up as they were told to stand still
    assert over("sleep 1") == 0
    fake_phone.fault(no_services=("powerstats",))
    missing = shell(fake_phone, "dumpsys powerstats")
    assert (missing.stdout, missing.stderr) == (b"", b"Can't find service: powerstats\n")


def test_makers_write_different_words(make_fake_phone: Callable[..., FakePhone]) -> None:
    samsung = make_fake_phone(maker="samsung", api_level=29)
    text = shell(samsung, "dumpsys battery").stdout.decode()
    assert "Charge counter: 0\n" in text
    assert "current now: -" in text
    assert shell(samsung, "getprop ro.build.version.sdk").stdout == b"29\n"


# Apps.


def test_an_apk_is_installed_run_and_removed(fake_phone: FakePhone) -> None:
    before = fake_phone.snapshot()
    adb = fake_phone.server.adb
    apk = str(toolchain.BUILT / "harness.apk")
    assert adb("install", "-r", apk).stdout.splitlines()[-1] == "Success"
    path = shell(fake_phone, "pm path dev.edgedeploy.harness").stdout.decode().strip()
    digest = shell(fake_phone, f"sha256sum {path.removeprefix('package:')}").stdout.split()[0]
    assert digest.decode() == hashlib.sha256(Path(apk).read_bytes()).hexdigest()
    ran = shell(
        fake_phone,
        "am instrument -w -r -e request /nothing "
        "dev.edgedeploy.harness/.app.HarnessInstrumentation",
    )
    assert b"INSTRUMENTATION_RESULT: error=" in ran.stdout
    assert ran.stdout.splitlines()[-1] == b"INSTRUMENTATION_CODE: 0"
    assert adb("uninstall", "dev.edgedeploy.harness").stdout.splitlines()[-1] == "Success"
    left = {path for path in fake_phone.snapshot() if path not in before}
    assert {path for path in left if "dev.edgedeploy" in path} == set()


def test_installing_fails_as_the_fault_says(fake_phone: FakePhone, tmp_path: Path) -> None:
    (tmp_path / "no.apk").write_bytes(b"no zip")
    adb = fake_phone.server.adb
    said = adb("install", str(tmp_path / "no.apk"))
    assert said.returncode == 1
    assert "INSTALL_PARSE_FAILED_NOT_APK" in said.stderr + said.stdout
    fake_phone.fault(pm_fails="INSTALL_FAILED_VERIFICATION_FAILURE")
    said = adb("install", str(tmp_path / "no.apk"))
    assert "INSTALL_FAILED_VERIFICATION_FAILURE" in said.stderr + said.stdout


# Nothing of a test lives on.


def test_the_private_server_is_not_the_users(private_adb: AdbServer) -> None:
    assert private_adb.port != 5037
    assert private_adb.environment["HOME"] != os.environ["HOME"]


def test_after_kill_9_nothing_runs_any_more(tmp_path: Path, desktop_folder: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from android.fake_device.adb_server import adb_server
from android.fake_device.phone import fake_phone
folder = Path({str(tmp_path)!r})
with adb_server(folder / "home") as server:
    with fake_phone(server, cache=folder / "cache", desktop=Path({str(desktop_folder)!r})) as phone:
        print(server.port, phone.serial.split(":")[1], flush=True)
        server.adb("shell", "sleep 424242 & sleep 424242", timeout_s=1000)
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    ports = [int(word) for word in starter.stdout.readline().split()]
    while _running("sleep 424242") < 2:
        time.sleep(0.05)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 60
    while (_running("sleep 424242") or any(map(_listens, ports))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _running("sleep 424242") == 0
    assert [port for port in ports if _listens(port)] == []


def _running(command: str) -> int:
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        found += b" ".join(words).decode(errors="replace").strip() == command
    return found


def _listens(port: int) -> bool:
    listed = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        for line in listed.splitlines()
        if ":" in line and "local_address" not in line
    )


def test_the_phones_scripts_need_nothing_but_the_systems_python() -> None:
    for script in SYSTEM.glob("*.py"):
        assert script.read_text().startswith("#!/usr/bin/python3 -IS\n")


def test_a_stream_that_ended_lets_go_of_its_threads() -> None:
    ours, theirs = socket.socketpair()
    link, adb = Link(ours), Link(theirs)
    readers: list[threading.Thread] = []

    def service(stream: Stream) -> None:
        readers.append(threading.Thread(target=stream.read, daemon=True))
        readers[0].start()
        stream.accept()

    def serve() -> None:
        with contextlib.suppress(LinkLostError):
            link.serve(lambda: b"device::", service, ask=False)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    adb.send(OPEN, 7, 0, b"shell:true\0")
    local = adb.receive()[1]
    assert adb.receive()[:3] == (CLSE, local, 7)
    readers[0].join(10)
    assert not readers[0].is_alive()
    # What adb still says to it is answered, and harms nobody.
    adb.send(OKAY, 7, local)
    adb.send(WRTE, 7, local, b"late")
    assert adb.receive()[:3] == (CLSE, 0, 7)
    adb.close()
    server.join(10)
    assert not server.is_alive()
