"""The programs that are sent to a device over ssh, as text: POSIX shell, and its own `python3`.

They run before anything of ours is there, on whatever the device has. The probe must be understood
by every Python 3, the others by 3.7 and later; each prints one JSON line at the end.
"""

from __future__ import annotations

# How taking a file ends where some of it is missing, or where it is not what was sent.
FILE_IS_SHORT, FILE_DIFFERS = 75, 76

# $1: the destination, $2: sha256, $3: bytes. Says "have PATH", or "at OFFSET FREE_KB PATH".
_PUSH_TOOLS = """
digest() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum < "$1"
  elif command -v python3 >/dev/null 2>&1; then
    python3 -c 'import hashlib,sys
h=hashlib.sha256()
for b in iter(lambda: sys.stdin.buffer.read(1 << 20), b""): h.update(b)
print(h.hexdigest())' < "$1"
  else shasum -a 256 < "$1"
  fi | cut -c1-64
}
case $1 in "~/"*) to=$HOME/${1#"~/"} ;; *) to=$1 ;; esac
part=$to.$(printf %s "$2" | cut -c1-16).partial
bytes() { wc -c < "$1" | tr -d ' '; }
arrived() {
  [ -f "$to" ] && [ "$(bytes "$to")" = "$1" ] && [ "$(digest "$to")" = "$2" ] && rm -f -- "$part"
}
"""
LOOK_FOR_FILE = (
    _PUSH_TOOLS
    + """
folder=$(dirname -- "$to")
mkdir -p -- "$folder" || exit 1
if arrived "$3" "$2"; then echo "have $to"; exit 0; fi
at=0
if [ -f "$part" ]; then at=$(bytes "$part"); fi
if [ "$at" -gt "$3" ]; then rm -f -- "$part"; at=0; fi
free=$(df -Pk "$folder" | awk 'NR==2 {print $4}')
echo "at $at ${free:--1} $to"
"""
)

# $4: where to go on. Two that push the same file write the same bytes to the same places.
TAKE_FILE = (
    _PUSH_TOOLS
    + """
{ dd bs=1 seek="$4" count=0 conv=notrunc 2>/dev/null; cat; } 1<>"$part" || exit 1
if arrived "$3" "$2"; then exit 0; fi
got=$(bytes "$part")
if [ "$got" -lt "$3" ]; then exit 75; fi
if [ "$got" -gt "$3" ] || [ "$(digest "$part")" != "$2" ]; then rm -f -- "$part"; exit 76; fi
sync "$part" 2>/dev/null
mv -f -- "$part" "$to" 2>/dev/null || arrived "$3" "$2" || mv -f -- "$part" "$to"
"""
)
# The same as `version.package_digest`, for a folder of the package.
_DIGEST_OF = """
import hashlib
def digest_of(folder):
    files = {}
    for base, _, inside in os.walk(folder):
        for name in inside:
            if name.endswith(".py"):
                path = os.path.join(base, name)
                files[os.path.relpath(path, folder).replace(os.sep, "/")] = path
    digest = hashlib.sha256()
    for name in sorted(files):
        with open(files[name], "rb") as file:
            data = file.read()
        digest.update(("%s\\0%d\\0" % (name, len(data))).encode())
        digest.update(data)
    return digest.hexdigest()
"""

# argv: none. Says what the device is, and what of ours it has.
PROBE = (
    _DIGEST_OF
    + """
import json, os, platform, struct, subprocess, sys
home = os.path.expanduser("~")
cache = os.path.join(home, ".cache", "edge-deploy")
found = {
    "python": list(sys.version_info[:3]),
    "executable": sys.executable,
    "machine": platform.machine(),
    "bits": struct.calcsize("P") * 8,
    "libc": list(platform.libc_ver()),
    "system": platform.system(),
    "cache": cache,
    "runtime": None,
    "runtime_error": "",
    "numpy": None,
    "pillow": None,
    "digests": {},
    "sites": [],
}
try:
    names = sorted(os.listdir(cache))
except OSError:
    names = []
wanted = "WANTED"
for name in names:
    if name == wanted:
        found["digests"][name] = digest_of(os.path.join(cache, name, "edge_deploy_runner"))
    elif name.startswith("site-") and "." not in name:
        found["sites"].append(name)
check = '''
import json
found = {}
try:
    import numpy
    found["numpy"] = numpy.__version__
except Exception:
    pass
try:
    import PIL
    found["pillow"] = PIL.__version__
except Exception:
    pass
error = ""
for name in ("ai_edge_litert", "tflite_runtime"):
    try:
        module = __import__(name + ".interpreter", fromlist=["Interpreter"])
        module.Interpreter
        import importlib.metadata
        for package in (name.replace("_", "-"), name.replace("_", "-") + "-nightly"):
            try:
                found["runtime"] = [name, importlib.metadata.version(package)]
                break
            except importlib.metadata.PackageNotFoundError:
                found["runtime"] = [name, "unknown"]
        error = ""
        break
    except ModuleNotFoundError as problem:
        if problem.name != name:
            error = str(problem)
    except Exception as problem:
        error = type(problem).__name__ + ": " + str(problem)
found["runtime_error"] = error
print(json.dumps(found))
'''
if sys.version_info >= (3, 8):
    done = subprocess.run([sys.executable, "-c", check], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/")
    try:
        found.update(json.loads(done.stdout.decode().splitlines()[-1]))
    except (ValueError, IndexError):
        found["runtime_error"] = "importing it ended python3 with code %d" % done.returncode
print(json.dumps(found))
"""
)

# argv: cache folder, name of the folder to make, digest. A tar.gz comes through stdin.
INSTALL_RUNNER = (
    _DIGEST_OF
    + """
import io, json, os, shutil, sys, tarfile, tempfile, time
cache, name, digest = sys.argv[1:4]
os.makedirs(cache, exist_ok=True)
fresh = tempfile.mkdtemp(prefix=name + ".new-", dir=cache)
try:
    with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode="r:gz") as archive:
        for member in archive:
            path = os.path.join(fresh, member.name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                shutil.copyfileobj(archive.extractfile(member), file)
                file.flush()
                os.fsync(file.fileno())
    os.chmod(fresh, 0o755)
    final = os.path.join(cache, name)
    for _ in range(5):
        try:
            os.rename(fresh, final)
            break
        except OSError:
            # Another computer may have put it there just now, and may be using it already.
            if digest_of(os.path.join(final, "edge_deploy_runner")) == digest:
                break
            old = tempfile.mkdtemp(prefix=name + ".old-", dir=cache)
            try:
                os.rename(final, os.path.join(old, "x"))
            except OSError:
                pass
            shutil.rmtree(old, ignore_errors=True)
    else:
        raise SystemExit("cannot put " + final + " in its place")
finally:
    shutil.rmtree(fresh, ignore_errors=True)
now = time.time()
runners = []
for other in os.listdir(cache):
    path = os.path.join(cache, other)
    try:
        age = now - os.stat(path).st_mtime
    except OSError:
        continue
    if ".new-" in other or ".old-" in other:
        if age > 86400:
            shutil.rmtree(path, ignore_errors=True)
    elif other.startswith("runner-") and other != name:
        runners.append((age, path))
for _, path in sorted(runners)[KEPT:]:
    shutil.rmtree(path, ignore_errors=True)
print(json.dumps({"folder": final}))
"""
)

# argv: cache folder, name of the folder to make, the archive's path, bytes that it unpacks to.
UNPACK_SITE = """
import json, os, shutil, sys, tarfile, tempfile
cache, name, path, size = sys.argv[1:5]
final = os.path.join(cache, name)
free = shutil.disk_usage(cache).free
if free < int(size):
    raise SystemExit("No space left: %.0f MB are needed and %.0f MB are free"
                     % (int(size) / 1e6, free / 1e6))
fresh = tempfile.mkdtemp(prefix=name + ".new-", dir=cache)
try:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if member.name.startswith("/") or ".." in parts or not (
                    member.isfile() or member.isdir()):
                raise SystemExit("the archive holds " + member.name + ", which is no plain file")
            to = os.path.join(fresh, *parts)
            if member.isdir():
                os.makedirs(to, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(to), exist_ok=True)
            with open(to, "wb") as file:
                shutil.copyfileobj(archive.extractfile(member), file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
    os.chmod(fresh, 0o755)
    try:
        os.rename(fresh, final)
    except OSError:
        if not os.path.isdir(final):
            raise
    try:
        os.unlink(path)
    except OSError:
        pass
finally:
    shutil.rmtree(fresh, ignore_errors=True)
others = []
for other in os.listdir(cache):
    if other.startswith("site-") and "." not in other and other != name:
        others.append((os.stat(os.path.join(cache, other)).st_mtime, os.path.join(cache, other)))
for _, old in sorted(others, reverse=True)[KEPT:]:
    shutil.rmtree(old, ignore_errors=True)
print(json.dumps({"folder": final}))
"""
