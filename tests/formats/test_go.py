"""Go modules with the real go command: download, get, list, retract, yank,
the checksum database, private repositories, hostile archives."""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness import clients, spool
from harness.private import Private

CLIENTS = ["go"]  # for tools/support-table

GO = shutil.which(os.environ.get("LONGSHORE_GO", "go")) or clients.find("go")


@pytest.fixture(autouse=True)
def needs_go():
    clients.need("go")


def zip_of(files, level=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", level) as archive:
        for name, text in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, text)
    return out.getvalue()


def module_zip(path, version, go_mod="", files=None):
    prefix = f"{path}@{version}/"
    package = path.split("/")[-1].replace("-", "").lower()
    package = package if not package.startswith("v") else "major"
    contents = {"go.mod": f"module {path}\n\ngo 1.19\n{go_mod}",
                "a.go": f"package {package}\n\nconst Answer = 42\n",
                "LICENSE": "MIT\n", **(files or {})}
    return zip_of({prefix + name: text for name, text in contents.items()
                   if text is not None})


def escape(text):
    return "".join(f"!{c.lower()}" if c.isupper() else c for c in text)


def put(base, path, version, body=None, go_mod="", files=None, **more):
    return requests.put(
        f"{base}/{escape(path)}/@v/{escape(version)}.zip", timeout=60,
        data=module_zip(path, version, go_mod, files)
        if body is None else body, **more)


def publish(base, path, version, go_mod="", files=None, **more):
    done = put(base, path, version, None, go_mod, files, **more)
    assert done.status_code == 201, done.text
    return done.json()


class Home:
    """A home with a module in it, which knows one registry and nothing
    else."""

    def __init__(self, folder, base, sumdb="", **more):
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        (self.work / "go.mod").write_text("module example.com/app\n\n"
                                          "go 1.19\n")
        self.environment = {
            "HOME": str(folder), "PATH": os.environ["PATH"],
            "GOPATH": str(folder / "go"), "GOENV": "off",
            "GOCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=mod -modcacherw", "GOPROXY": base,
            "GOSUMDB": sumdb or requests.get(
                f"{base}/sumdb-key", timeout=30).text.strip(), **more}

    def go(self, *arguments, check=True):
        done = subprocess.run([GO, *arguments], cwd=self.work, text=True,
                              env=self.environment, capture_output=True,
                              timeout=120, check=False)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def download(self, module, check=True):
        done = self.go("mod", "download", "-json", module, check=check)
        return json.loads(done.stdout)


@pytest.fixture
def base(make_repository):
    return make_repository("go")


@pytest.fixture
def home(base, tmp_path):
    return Home(tmp_path / "home", base)


def h1(files):
    """dirhash.Hash1 of names and contents."""
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n"
                    for name, data in sorted(files.items()))
    return "h1:" + base64.b64encode(
        hashlib.sha256(lines.encode()).digest()).decode()


def test_publish_and_download(base, home, tmp_path, registry):
    lib = publish(base, "example.com/lib", "v1.0.0")
    publish(base, "example.com/Upper/tool", "v0.2.0-RC.1",
            "require example.com/lib v1.0.0\n", files={
                "b.go": 'package tool\n\nimport lib "example.com/lib"\n\n'
                        "const B = lib.Answer\n"})
    got = home.download("example.com/lib@v1.0.0")
    assert (got["Sum"], got["GoModSum"]) == (lib["sum"], lib["go_mod_sum"])
    # The archive in the cache is the one that was published.
    archive = open(got["Zip"], "rb").read()
    assert archive == requests.get(
        f"{base}/example.com/lib/@v/v1.0.0.zip", timeout=30).content
    with zipfile.ZipFile(io.BytesIO(archive)) as read:
        assert h1({name: read.read(name)
                   for name in read.namelist()}) == lib["sum"]
    info = requests.get(f"{base}/example.com/lib/@v/v1.0.0.info",
                        timeout=30).json()
    assert info["Version"] == "v1.0.0" and info["Time"].endswith("Z")
    home.go("get", "example.com/Upper/tool@latest")
    (home.work / "main.go").write_text(
        'package main\n\nimport "example.com/Upper/tool"\n\n'
        "func main() { println(tool.B) }\n")
    assert home.go("run", ".").stderr.strip() == "42"
    registry.restart_daemon()
    home.go("mod", "verify")
    other = Home(tmp_path / "other", base)
    shutil.copytree(home.work, other.work, dirs_exist_ok=True)
    assert other.go("run", ".").stderr.split()[-1] == "42"
    sums = (other.work / "go.sum").read_text()
    assert f"example.com/lib v1.0.0 {lib['sum']}\n" in sums
    # Once for ever, whatever the bytes.
    again = put(base, "example.com/lib", "v1.0.0", go_mod="// other\n")
    assert again.status_code == 409
    assert "already" in again.text
    assert put(base, "example.com/lib", "v1.0.0").status_code == 409


def test_upload_by_name_in_archive(base, home):
    body = module_zip("example.com/by/name/v2", "v2.1.0")
    done = requests.put(f"{base}/upload", data=body, timeout=30)
    assert done.status_code == 201, done.text
    assert done.json()["path"] == "example.com/by/name/v2"
    got = home.download("example.com/by/name/v2@latest")
    assert got["Version"] == "v2.1.0" and got["Sum"] == done.json()["sum"]


def test_list_and_latest(base, home):
    path = "example.com/order"
    for version in ("v0.9.0", "v0.10.0", "v1.0.0-rc.1",
                    "v0.11.1-0.20240102030405-abcdefabcdef"):
        publish(base, path, version)
    old = publish(base, path, "v2.0.0+incompatible", files={"go.mod": None})
    listed = requests.get(f"{base}/{path}/@v/list", timeout=30)
    assert listed.text.split() == ["v0.9.0", "v0.10.0", "v1.0.0-rc.1",
                                   "v2.0.0+incompatible"]
    assert requests.get(f"{base}/{path}/@v/list", timeout=30, headers={
        "If-None-Match": listed.headers["ETag"]}).status_code == 304
    got = home.download(f"{path}@v2.0.0+incompatible")
    assert got["Sum"] == old["sum"]
    assert got["GoModSum"] == old["go_mod_sum"]
    assert open(got["GoMod"]).read() == f"module {path}\n"
    versions = home.go("list", "-m", "-versions", f"{path}@v0.9.0").stdout
    assert versions.split()[1:] == ["v0.9.0", "v0.10.0", "v1.0.0-rc.1",
                                    "v2.0.0+incompatible"]


def test_latest_of_pseudo_versions(base, home):
    path = "example.com/pseudo"
    publish(base, path, "v0.0.0-20240102030405-bbbbbbbbbbbb")
    publish(base, path, "v0.0.0-20230102030405-aaaaaaaaaaaa")
    assert requests.get(f"{base}/{path}/@v/list", timeout=30).text == ""
    latest = requests.get(f"{base}/{path}/@latest", timeout=30).json()
    assert latest == {"Version": "v0.0.0-20240102030405-bbbbbbbbbbbb",
                      "Time": "2024-01-02T03:04:05Z"}
    home.go("get", f"{path}@latest")
    assert "20240102030405" in (home.work / "go.mod").read_text()


def test_retract(base, home, registry):
    path = "example.com/taken/back"
    publish(base, path, "v1.0.0")
    publish(base, path, "v1.1.0")
    home.go("get", f"{path}@v1.1.0")
    registry.restart_daemon()
    publish(base, path, "v1.2.0",
            "retract v1.1.0 // it was wrong\n"
            "retract (\n\t[v1.2.0, v1.2.9] // only to retract\n)\n")
    text = home.go("list", "-m", "-u", "-retracted", path).stdout
    assert "(retracted)" in text
    assert home.go("list", "-m", "-versions", path).stdout.split()[1:] == [
        "v1.0.0"]
    assert home.go("list", "-m", "-versions", "-retracted",
                   path).stdout.split()[1:4] == ["v1.0.0", "v1.1.0", "v1.2.0"]
    latest = requests.get(f"{base}/{path}/@latest", timeout=30).json()
    assert latest["Version"] == "v1.0.0"
    home.go("get", f"{path}@latest")
    assert f"{path} v1.0.0" in (home.work / "go.mod").read_text()


def test_yank_and_delete(base, home, tmp_path):
    path = "example.com/Gone"
    place = f"{base}/{escape(path)}/@v"
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        publish(base, path, version)
    assert requests.put(f"{place}/v1.2.0/yank", timeout=30).status_code == 200
    assert requests.get(f"{place}/list", timeout=30).text.split() == [
        "v1.0.0", "v1.1.0"]
    home.go("get", f"{path}@latest")
    assert f"{path} v1.1.0" in (home.work / "go.mod").read_text()
    # Who asks for it by name still gets it.
    home.go("get", f"{path}@v1.2.0")
    requests.put(f"{place}/v1.2.0/unyank", timeout=30).raise_for_status()
    assert "v1.2.0" in requests.get(f"{place}/list", timeout=30).text
    assert requests.delete(f"{place}/v1.1.0.zip",
                           timeout=30).status_code == 200
    assert "v1.1.0" not in requests.get(f"{place}/list", timeout=30).text
    for end in (".zip", ".mod", ".info"):
        gone = requests.get(f"{place}/v1.1.0{end}", timeout=30)
        assert gone.status_code == 404, end
    refused = put(base, path, "v1.1.0")
    assert refused.status_code == 409 and "deleted" in refused.text
    failed = Home(tmp_path / "late", base).go(
        "get", f"{path}@v1.1.0", check=False)
    assert failed.returncode != 0 and "404" in failed.stderr
    # The log does not forget.
    name = home.environment["GOSUMDB"].split("+")[0]
    record = requests.get(
        f"{base}/sumdb/{name}/lookup/{escape(path)}@v1.1.0", timeout=30)
    assert f"{path} v1.1.0 h1:" in record.text


def blob_of(registry, data):
    digest = hashlib.sha256(data).hexdigest()
    found = [path for path in registry.root.rglob("data")
             if digest in str(path)]
    assert found, "the blob lies under its digest"
    return found[0]


def test_a_changed_archive_is_refused(base, tmp_path, registry):
    path = "example.com/tampered"
    publish(base, path, "v1.0.0")
    good = requests.get(f"{base}/{path}/@v/v1.0.0.zip", timeout=30).content
    Home(tmp_path / "good", base).download(f"{path}@v1.0.0")
    bad = module_zip(path, "v1.0.0", files={
        "a.go": "package tampered\n\nconst Answer = 43\n"})
    assert len(bad) == len(good)
    file = blob_of(registry, good)
    mode = file.stat().st_mode
    file.chmod(0o600)
    file.write_bytes(bad)
    got = Home(tmp_path / "late", base).go(
        "mod", "download", f"{path}@v1.0.0", check=False)
    file.write_bytes(good)
    file.chmod(mode)
    assert got.returncode != 0 and "checksum mismatch" in got.stderr
    Home(tmp_path / "last", base).download(f"{path}@v1.0.0")


def tree_hash(leaves):
    """RFC 6962, section 2.1, of leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + tree_hash(leaves[:half])
                          + tree_hash(leaves[half:])).digest()


def leaf(record):
    return hashlib.sha256(b"\0" + record).digest()


def test_a_log_of_300(base, tmp_path, registry):
    path = "example.com/many"
    early = Home(tmp_path / "early", base)
    sumdb = f"{base}/sumdb/" + early.environment["GOSUMDB"].split("+")[0]

    def get(rest, status=200):
        answer = requests.get(f"{sumdb}/{rest}", timeout=30)
        assert answer.status_code == status, (rest, answer.text)
        return answer.content

    def add(numbers):
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(
                lambda n: publish(base, path, f"v1.0.{n}"), numbers))

    sums = add(range(100))
    get("supported")
    early.download(f"{path}@v1.0.7")
    sums += add(range(100, 200))
    registry.restart_daemon()
    sums += add(range(200, 300))
    # The client proves that the tree it saw is within the one of now, and
    # what it asks for by tiles of two levels.
    for home in (early, Home(tmp_path / "late", base)):
        for n in (0, 255, 256, 299):
            got = home.download(f"{path}@v1.0.{n}")
            assert got["Sum"] == sums[n]["sum"]
    cached = [str(file) for file in early.folder.rglob("tile/8/1/*")]
    assert cached, "a tile of the second level was asked for"
    # The same by hand.
    text, size, root, *_ = get("latest").decode().split("\n")
    assert (text, size) == ("go.sum database tree", "300")
    records = [part + b"\n" for part in (
        get("tile/8/data/000") + get("tile/8/data/001.p/44")
    ).split(b"\n\n")[:-1]]
    assert len(set(records)) == 300
    leaves = [leaf(record) for record in records]
    assert get("tile/8/0/000") == b"".join(leaves[:256])
    assert get("tile/8/0/001.p/44") == b"".join(leaves[256:])
    assert get("tile/8/0/000.p/3") == b"".join(leaves[:3])
    assert get("tile/8/1/000.p/1") == tree_hash(leaves[:256])
    assert base64.b64decode(root) == tree_hash(leaves)
    number, record = get(f"lookup/{path}@v1.0.299").split(b"\n", 1)
    assert record.startswith(records[int(number)])
    for rest in ("tile/8/0/001", "tile/8/0/001.p/45", "tile/8/1/000.p/2",
                 "tile/8/2/000.p/1", "tile/8/0/1", "tile/8/0/x000/001.p/1",
                 "tile/8/9/000", "tile/8/0/000.p/256", "tile/8/0/000.p/0",
                 f"lookup/{path}@v9.9.9"):
        get(rest, 404)


def test_one_database_only(base, registry):
    for name in ("sum.golang.org", "example.com"):
        assert requests.get(f"{base}/sumdb/{name}/supported",
                            timeout=30).status_code == 404
    # The client asks its proxy when its setting has no address.
    assert "127.0.0.1" in requests.get(f"{base}/sumdb-key", timeout=30).text


def test_database_by_the_proxy(base, tmp_path):
    publish(base, "example.com/quiet", "v1.0.0")
    key = requests.get(f"{base}/sumdb-key", timeout=30).text.split()[0]
    Home(tmp_path / "home", base, key).download("example.com/quiet@v1.0.0")
    wrong = key[:-6] + ("AAAA==" if key[-6:-2] != "AAAA" else "BBBB==")
    refused = Home(tmp_path / "wrong", base, wrong).go(
        "mod", "download", "example.com/quiet@v1.0.0", check=False)
    assert refused.returncode != 0


def test_a_named_database(make_repository, tmp_path):
    base = make_repository(
        "go", settings='{"checksum_database": "sum.example.com/go"}')
    publish(base, "example.com/named", "v1.0.0")
    home = Home(tmp_path / "home", base)
    assert home.environment["GOSUMDB"].startswith("sum.example.com/go+")
    home.download("example.com/named@v1.0.0")


P, V = "example.com/hostile", "v1.0.0"
GOOD = module_zip(P, V)
IN = f"{P}@{V}/"


def with_files(files):
    return module_zip(P, V, files=files)


HOSTILE = {
    "empty": b"",
    "no archive": b"this is no archive",
    "cut short": GOOD[:-30],
    "bytes before": b"x" + GOOD,
    "no files": zip_of({}),
    "another module": module_zip("example.com/other", V),
    "another version": module_zip(P, "v1.0.1"),
    "a file outside": zip_of({IN + "go.mod": f"module {P}\n", "x.go": ""}),
    "dots": with_files({"../x.go": ""}),
    "absolute": zip_of({"/" + IN + "go.mod": f"module {P}\n"}),
    "dot segment": with_files({"./x.go": ""}),
    "double slash": with_files({"a//x.go": ""}),
    "case": with_files({"A.go": "", "a.go": ""}),
    "case beyond ASCII": with_files({"\u00e4.go": "", "\u00c4.go": ""}),
    "case of folders": with_files({"B/x.go": "", "b/y.go": ""}),
    "file and folder": with_files({"b": "", "b/y.go": ""}),
    "twice": zip_of([(IN + "go.mod", f"module {P}\n"), (IN + "a.go", "1"),
                     (IN + "a.go", "2")]),
    "device": with_files({"sub/CON.go": ""}),
    "trailing dot": with_files({"x.": ""}),
    "colon": with_files({"a:b.go": ""}),
    "star": with_files({"a*.go": ""}),
    "quote": with_files({"it's.go": ""}),
    "no letter": with_files({"\u2603.go": ""}),
    "go.mod below": with_files({"sub/go.mod": "module x\n"}),
    "GO.MOD": zip_of({IN + "GO.MOD": f"module {P}\n"}),
    "another path in go.mod": with_files({"go.mod": "module example.com/x\n"}),
    "no module line": with_files({"go.mod": "go 1.19\n"}),
    "two module lines": with_files({"go.mod": f"module {P}\nmodule {P}\n"}),
    "an open block": with_files({"go.mod": f"module {P}\nretract (\n"}),
    "bad retract": with_files({"go.mod": f"module {P}\nretract 1.0\n"}),
    "a bomb": with_files({"zeros": b"\0" * (64 << 20)}),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives(base, registry, body):
    got = put(base, P, V, body)
    assert got.status_code in (400, 413), got.text
    assert got.headers["Content-Type"].startswith("text/plain")
    assert got.text.strip()
    assert requests.get(f"{base}/{P}/@v/list", timeout=30).status_code == 404
    spool.wait_empty(registry)


@pytest.mark.parametrize("path,version", [
    ("example.com/x", "v1"), ("example.com/x", "v1.0"),
    ("example.com/x", "1.0.0"), ("example.com/x", "v1.0.0+meta"),
    ("example.com/x", "v01.0.0"), ("example.com/x", "v2.0.0"),
    ("example.com/x/v2", "v1.0.0"), ("example.com/x/v2", "v3.0.0"),
    ("example.com/x/v1", "v1.0.0"), ("example.com/x/v0", "v0.1.0"),
    ("example.com/x/v02", "v2.0.0"), ("example.com/x/v2.1", "v2.1.0"),
    ("example.com/x", "v1.0.0+incompatible"),
    ("example.com/x/v2", "v2.0.0+incompatible"),
    ("example.com/x", "v2.0.0+incompatible"),  # it has a go.mod
    ("gopkg.in/x", "v1.0.0"), ("gopkg.in/x.v1", "v2.0.0"),
    ("nodot/x", "v1.0.0"), ("-example.com/x", "v1.0.0"),
    ("Example.com/x", "v1.0.0"), ("example.com/.x", "v1.0.0"),
    ("example.com/x.", "v1.0.0"), ("example.com/a b", "v1.0.0"),
    ("example.com/nul", "v1.0.0"), ("example.com/x~1", "v1.0.0"),
    ("example.com/\u00e4", "v1.0.0")])
def test_names_that_none_may_have(base, path, version):
    body = module_zip(path, version)
    for got in (put(base, path, version, body),
                requests.put(f"{base}/upload", data=body, timeout=30)):
        assert got.status_code == 400, got.text


@pytest.mark.parametrize("path,version", [
    ("example.com/x/v3", "v3.0.0-beta"), ("gopkg.in/yaml.v2", "v2.4.0"),
    ("gopkg.in/x.v0", "v0.1.0"), ("gopkg.in/x.v1-unstable", "v1.0.0"),
    ("example.com/v2x", "v1.0.0"), ("example.com", "v0.0.1"),
    ("example.com/a.b-c_d~e", "v1.0.0"), ("example.com/X9", "v1.0.0-RC1")])
def test_names_that_one_may_have(base, home, path, version):
    made = publish(base, path, version, files={
        "\u00e4\u4e2d.txt": "", "a b [c] {d}.txt": "x", "~1.txt": ""})
    assert home.download(f"{path}@{version}")["Sum"] == made["sum"]


def test_folders_in_the_archive(base, home):
    """They count in the hash as the go command counts them."""
    path = "example.com/folders"
    body = zip_of([(f"{path}@v1.0.0/", ""), (f"{path}@v1.0.0/sub/", ""),
                   (f"{path}@v1.0.0/go.mod", f"module {path}\n"),
                   (f"{path}@v1.0.0/sub/a.go", "package sub\n")])
    done = put(base, path, "v1.0.0", body)
    assert done.status_code == 201, done.text
    assert home.download(f"{path}@v1.0.0")["Sum"] == done.json()["sum"]


def test_without_the_daemon(base, registry):
    path = "example.com/still"
    publish(base, path, "v1.0.0")
    urls = [f"{base}/{path}/@v/{name}" for name in (
        "list", "v1.0.0.info", "v1.0.0.mod", "v1.0.0.zip")]
    before = [requests.get(url, timeout=30).content for url in urls]
    registry.pause_daemon()
    try:
        after = [requests.get(url, timeout=30).content for url in urls]
    finally:
        registry.resume_daemon()
    assert before == after


@pytest.fixture(scope="module")
def private_tls():
    """The go command sends credentials over TLS only."""
    with Private(tls=True) as server:
        yield server


def test_a_private_registry(tmp_path, private_tls):
    base = private_tls.repository("go")
    path = "example.com/secret"
    trust = private_tls.tls

    def bearer(who):
        token = private_tls.tokens.get(who, "wrong-token")
        return {"Authorization": f"Bearer {token}"}
    for who in ("wrong", "stranger", "reader", "readonly"):
        refused = put(base, path, "v1.0.0", headers=bearer(who), verify=trust)
        assert refused.status_code in (401, 403, 404), who
    publish(base, path, "v1.0.0", headers=bearer("writer"), verify=trust)
    sumdb = requests.get(f"{base}/sumdb-key", timeout=30, verify=trust,
                         headers=bearer("reader")).text.strip()
    for who, name in (("reader", "reader"), ("readonly", "writer"),
                      ("stranger", "stranger"), ("wrong", "reader"),
                      ("nobody", "")):
        home = Home(tmp_path / who, base, sumdb, SSL_CERT_FILE=str(trust))
        if name:
            token = private_tls.tokens.get(who, "wrong-token")
            (home.folder / ".netrc").write_text(
                f"machine {private_tls.address} login {name} "
                f"password {token}\n")
        done = home.go("get", f"{path}@latest", check=False)
        assert (done.returncode == 0) == who.startswith("read"), (
            who, done.stderr)


def test_denied_falls_through(tmp_path, private_tls):
    """Who may not read a repository gets what the next proxy has."""
    trust = private_tls.tls
    closed, opened = (private_tls.repository("go") for _ in range(2))
    token = private_tls.tokens["writer"]
    for base in (closed, opened):
        publish(base, "example.com/next", "v1.0.0", verify=trust,
                headers={"Authorization": f"Bearer {token}"})
    key = opened.rsplit("/", 1)[1]
    private_tls.ctl("grant", "add", "stranger", key, "pull")
    home = Home(tmp_path / "home", f"{closed},{opened}", "off",
                SSL_CERT_FILE=str(trust))
    (home.folder / ".netrc").write_text(
        f"machine {private_tls.address} login stranger password "
        f"{private_tls.tokens['stranger']}\n")
    home.download("example.com/next@v1.0.0")
