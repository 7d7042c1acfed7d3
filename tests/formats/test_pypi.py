"""Python packages with pip, twine, uv and poetry: upload, install, metadata
beside the files, yank, the simple API in both forms, the JSON API."""

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile

import pytest
import requests

from harness import spool

CLIENTS = ["pip", "twine", "uv", "poetry"]  # for tools/support-table

JSON = "application/vnd.pypi.simple.v1+json"


def metadata(name, version, **more):
    fields = {"Metadata-Version": "2.1", "Name": name, "Version": version,
              "Summary": "a package of tests", "Keywords": "sample", **more}
    return "".join(f"{key.replace('_', '-')}: {value}\n"
                   for key, value in fields.items()) + "\nThe description.\n"


def wheel(folder, name, version="1.0", body="answer = 42\n", tag="py3-none-any",
          text=None, **more):
    """A wheel as the specification lays it out."""
    module = name.replace("-", "_").replace(".", "_").lower()
    info = f"{module}-{version}.dist-info"
    files = {f"{module}.py": body.encode(),
             f"{info}/METADATA": (text or metadata(name, version,
                                                   **more)).encode(),
             f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\n"
                              b"Root-Is-Purelib: true\nTag: "
                              + tag.encode() + b"\n"}
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(
            hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow((path, f"sha256={digest}", len(data)))
    rows.writerow((f"{info}/RECORD", "", ""))
    files[f"{info}/RECORD"] = record.getvalue().encode()
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for entry, data in files.items():
            out.writestr(entry, data)
    return path


def sdist(folder, name, version="1.0", text=None):
    top = f"{name}-{version}"
    path = folder / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        data = (text or metadata(name, version)).encode()
        info = tarfile.TarInfo(f"{top}/PKG-INFO")
        info.size = len(data)
        out.addfile(info, io.BytesIO(data))
    return path


def upload(base, path, name, version="1.0", headers=None, **more):
    form = {":action": "file_upload", "protocol_version": "1",
            "metadata_version": "2.1", "name": name, "version": version,
            "filetype": "bdist_wheel" if path.suffix == ".whl" else "sdist",
            "pyversion": "py3", **more}
    return requests.post(f"{base}/", data=form, headers=headers, timeout=60,
                         files={"content": (path.name, path.read_bytes())})


def environment(home, **more):
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith(("PIP_", "UV_", "TWINE_", "POETRY_"))}
    home.mkdir(parents=True, exist_ok=True)
    return {**clean, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1",
            "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home / "c"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **more}


def run(*command, env, check=True):
    done = subprocess.run([*map(str, command)], capture_output=True,
                          text=True, env=env, timeout=180)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def pip(home, base, *arguments, check=True, env=None):
    return run("/usr/bin/python3", "-m", "pip", "install", "--index-url",
               f"{base}/simple/", "--no-cache-dir", "--target",
               home / "site", *arguments, check=check,
               env=env or environment(home))


@pytest.fixture
def base(make_repository):
    return make_repository("pypi")


def page(base, name):
    return requests.get(f"{base}/simple/{name}/", headers={"Accept": JSON},
                        timeout=30)


def test_twine_and_pip(base, client, registry, tmp_path):
    one = wheel(tmp_path, "Sample.Pkg", "1.2", Requires_Dist="dep-one>=1",
                Requires_Python=">=3.7")
    dependency = wheel(tmp_path, "dep-one", "1.5")
    source = sdist(tmp_path, "sample_pkg", "1.2",
                   metadata("Sample.Pkg", "1.2"))
    run(client("twine"), "upload", "--non-interactive", "--repository-url",
        f"{base}/", "-u", "u", "-p", "p", one, dependency, source,
        env=environment(tmp_path / "twine"))
    registry.restart_daemon()
    home = tmp_path / "fresh"
    pip(home, base, "sample-pkg")
    assert (home / "site/sample_pkg.py").read_text() == "answer = 42\n"
    assert (home / "site/dep_one.py").exists()
    listed = page(base, "sample-pkg").json()
    assert listed["name"] == "sample-pkg" and listed["versions"] == ["1.2"]
    names = {entry["filename"]: entry for entry in listed["files"]}
    assert set(names) == {one.name, source.name}
    for path in (one, source):
        entry = names[path.name]
        url = requests.compat.urljoin(f"{base}/simple/sample-pkg/",
                                      entry["url"])
        got = requests.get(url, timeout=30).content
        assert got == path.read_bytes()
        assert entry["hashes"]["sha256"] == hashlib.sha256(got).hexdigest()
        beside = requests.get(url + ".metadata", timeout=30).content
        assert entry["core-metadata"]["sha256"] == hashlib.sha256(
            beside).hexdigest()
    assert names[one.name]["requires-python"] == ">=3.7"


def test_both_forms_of_the_simple_api(base, tmp_path):
    upload(base, wheel(tmp_path, "forms", Requires_Python=">=3,<9"), "forms")
    html = requests.get(f"{base}/simple/forms/", timeout=30,
                        headers={"Accept": "text/html"})
    assert html.headers["Content-Type"].startswith("text/html")
    assert 'data-requires-python="&gt;=3,&lt;9"' in html.text
    assert "#sha256=" in html.text and "data-core-metadata" in html.text
    assert page(base, "forms").headers["Content-Type"] == JSON
    old = requests.get(f"{base}/simple/forms/", timeout=30, headers={
        "Accept": f"{JSON};q=0.1, text/html"})
    assert old.headers["Content-Type"].startswith("text/html")
    named = requests.get(f"{base}/simple/forms/", timeout=30, headers={
        "Accept": "application/vnd.pypi.simple.v1+html"})
    assert named.headers["Content-Type"] == (
        "application/vnd.pypi.simple.v1+html")
    projects = requests.get(f"{base}/simple/", headers={"Accept": JSON},
                            timeout=30).json()
    assert projects["projects"] == [{"name": "forms"}]
    assert '<a href="forms/">' in requests.get(f"{base}/simple/",
                                               timeout=30).text
    for spelled in ("Forms/", "forms", "FORMS", "f.o/"):
        got = requests.get(f"{base}/simple/{spelled}", timeout=30)
        assert got.status_code == (404 if spelled == "f.o/" else 200)
        if got.ok:
            assert got.url.endswith("/simple/forms/")
    etag = page(base, "forms").headers["ETag"]
    assert requests.get(f"{base}/simple/forms/", timeout=30, headers={
        "Accept": JSON, "If-None-Match": etag}).status_code == 304


def test_uv(base, client, tmp_path):
    uv = client("uv")
    env = environment(tmp_path / "uv", UV_PYTHON="/usr/bin/python3",
                      UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
    built = wheel(tmp_path, "by-uv", "2.0")
    run(uv, "publish", "--publish-url", f"{base}/", "-u", "u", "-p", "p",
        built, env=env)
    run(uv, "pip", "install", "--index-url", f"{base}/simple/", "--target",
        tmp_path / "site", "by-uv==2.0", env=env)
    assert (tmp_path / "site/by_uv.py").exists()


def test_poetry(base, client, tmp_path):
    poetry = client("poetry")
    project = tmp_path / "project"
    (project / "by_poetry").mkdir(parents=True)
    (project / "by_poetry/__init__.py").write_text("answer = 1\n")
    (project / "pyproject.toml").write_text(
        '[tool.poetry]\nname = "by-poetry"\nversion = "0.3"\n'
        'description = "x"\nauthors = ["a <a@b.c>"]\n'
        '[tool.poetry.dependencies]\npython = ">=3.8"\n'
        '[build-system]\nrequires = ["poetry-core"]\n'
        'build-backend = "poetry.core.masonry.api"\n')
    env = environment(tmp_path / "poetry",
                      POETRY_REPOSITORIES_OURS_URL=f"{base}/",
                      POETRY_HTTP_BASIC_OURS_USERNAME="u",
                      POETRY_HTTP_BASIC_OURS_PASSWORD="p",
                      POETRY_VIRTUALENVS_CREATE="false")
    done = subprocess.run([poetry, "publish", "--build", "-r", "ours", "-n"],
                          cwd=project, env=env, capture_output=True,
                          text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert page(base, "by-poetry").json()["versions"] == ["0.3"]
    pip(tmp_path / "fresh", base, "--only-binary", ":all:", "by-poetry")


def test_refused_again(base, client, tmp_path):
    one = wheel(tmp_path, "twice")
    assert upload(base, one, "twice").status_code == 200
    assert upload(base, one, "twice").status_code == 200
    (tmp_path / "b").mkdir()
    other = wheel(tmp_path / "b", "twice", body="other = 1\n")
    refused = upload(base, other, "twice")
    assert refused.status_code == 409 and "already" in refused.json()["error"]
    skipped = run(client("twine"), "upload", "--non-interactive",
                  "--skip-existing", "--repository-url", f"{base}/", "-u",
                  "u", "-p", "p", other, env=environment(tmp_path / "twine"))
    assert "Skipping" in skipped.stdout


def test_the_newest_and_the_json_api(base, tmp_path):
    for version in ("1.9", "1.10", "2.0rc1", "1.10.post1"):
        upload(base, wheel(tmp_path, "order", version), "order", version)
    home = tmp_path / "home"
    pip(home, base, "order")
    assert (home / "site/order-1.10.post1.dist-info").exists()
    assert page(base, "order").json()["versions"] == [
        "1.9", "1.10", "1.10.post1", "2.0rc1"]
    told = requests.get(f"{base}/pypi/order/json", timeout=30).json()
    assert set(told["releases"]) == {"1.9", "1.10", "1.10.post1", "2.0rc1"}
    assert told["info"]["description"] == "The description.\n"
    one = requests.get(f"{base}/pypi/order/1.9/json", timeout=30).json()
    assert one["info"]["version"] == "1.9"
    file = one["urls"][0]
    got = requests.get(file["url"], timeout=30).content
    assert hashlib.md5(got).hexdigest() == file["digests"]["md5"]
    assert hashlib.blake2b(got, digest_size=32).hexdigest() == (
        file["digests"]["blake2b_256"])


def test_attestations_are_kept(base, tmp_path):
    one = wheel(tmp_path, "attested")
    statement = [{"version": 1, "envelope": {"signature": "x"}}]
    assert upload(base, one, "attested", attestations=json.dumps(
        statement)).status_code == 200
    entry = page(base, "attested").json()["files"][0]
    url = requests.compat.urljoin(f"{base}/simple/attested/",
                                  entry["provenance"])
    for address in (url, f"{base}/integrity/attested/1.0/{one.name}"
                         "/provenance"):
        kept = requests.get(address, timeout=30).json()
        assert kept["attestation_bundles"][0]["attestations"] == statement


def test_a_private_repository(private, client, tmp_path):
    base = private.repository("pypi")
    one = wheel(tmp_path, "hidden")
    assert upload(base, one, "hidden").status_code == 401
    for who in ("reader", "readonly", "stranger"):
        refused = run(client("twine"), "upload", "--non-interactive",
                      "--repository-url", f"{base}/", "-u", "__token__", "-p",
                      private.tokens[who], one, check=False,
                      env=environment(tmp_path / who))
        assert refused.returncode != 0 and "403" in refused.stdout, who
    run(client("twine"), "upload", "--non-interactive", "--repository-url",
        f"{base}/", "-u", "__token__", "-p", private.tokens["writer"], one,
        env=environment(tmp_path / "writer"))
    assert pip(tmp_path / "nobody", base, "hidden",
               check=False).returncode != 0
    token = private.tokens["reader"]
    pip(tmp_path / "someone",
        base.replace("://", f"://__token__:{token}@"), "hidden")


def test_reads_go_on_without_the_daemon(base, registry, tmp_path):
    upload(base, wheel(tmp_path, "there"), "there")
    before = page(base, "there").content
    registry.pause_daemon()
    try:
        assert page(base, "there").content == before
    finally:
        registry.resume_daemon()


@pytest.mark.heavy
def test_a_large_file_costs_no_memory(base, registry, tmp_path):
    size = (5 << 30 if os.environ.get("LONGSHORE_LOAD") == "full"
            else 160 << 20)
    path = tmp_path / "large-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, True) as out:
        out.writestr("large-1.0.dist-info/METADATA", metadata("large", "1.0"))
        with out.open("large.bin", "w", force_zip64=True) as entry:
            block = os.urandom(1 << 20)
            for _ in range(size >> 20):
                entry.write(block)

    def memory():
        return sum(int(line.split()[1]) for pid in
                   [registry.daemon_pid, *registry.worker_pids()]
                   for line in open(f"/proc/{pid}/status")
                   if line.startswith("VmRSS"))
    upload(base, wheel(tmp_path, "small"), "small")
    before = memory()
    form = [arg for key, value in {
        ":action": "file_upload", "protocol_version": "1", "name": "large",
        "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3",
        "metadata_version": "2.1"}.items() for arg in ("-F",
                                                       f"{key}={value}")]
    done = run("curl", "-sS", "-o", tmp_path / "out", "-w", "%{http_code}",
               *form, "-F", f"content=@{path}", f"{base}/",
               env=environment(tmp_path / "home"))
    assert done.stdout == "200", (tmp_path / "out").read_text()
    assert memory() - before < 64 << 10


GOOD = {"name": "x", "version": "1.0"}


def hostile_cases(folder):
    good = wheel(folder, "x")
    (folder / "other").mkdir()
    return {
        "no form": (good, {":action": "doc_upload"}),
        "another name": (good, {"name": "y"}),
        "another version": (good, {"version": "2.0"}),
        "no version": (good, {"version": "one"}),
        "another kind": (good, {"filetype": "sdist"}),
        "a wrong digest": (good, {"sha256_digest": "0" * 64}),
        "another inside": (wheel(folder / "other", "x",
                                 text=metadata("y", "1.0")), {}),
        "bad attestations": (good, {"attestations": "{"}),
    }


def test_hostile_uploads(base, registry, tmp_path):
    for what, (path, change) in hostile_cases(tmp_path).items():
        got = upload(base, path, **{**GOOD, **change})
        assert got.status_code == 400, (what, got.text)
        assert got.json()["error"], what
    names = {"x-1.0-py3-none-any.whl": b"no zip", "x-1.0.exe": b"",
             "../x-1.0-py3-none-any.whl": b"", "x.whl": b"",
             "x-1.0.tar.gz": b"no tar"}
    for name, data in names.items():
        got = requests.post(f"{base}/", timeout=30, data={
            ":action": "file_upload", "name": "x", "version": "1.0",
            "filetype": "bdist_wheel" if name.endswith("whl") else "sdist"},
            files={"content": (name, data)})
        assert got.status_code == 400, name
    cut = requests.post(f"{base}/", data=b"--b\r\ncut short", timeout=30,
                        headers={"Content-Type":
                                 "multipart/form-data; boundary=b"})
    assert cut.status_code == 400
    assert page(base, "x").status_code == 404
    spool.wait_empty(registry)


