"""Generic files with curl and the requests library: every verb, checksums,
lists, resumable uploads, counts, restarts."""

import hashlib
import json
import subprocess

import pytest
import requests

from harness import process, spool

CLIENTS = ["curl", "requests"]  # for tools/support-table
BIG = 300_000


def sha256(body):
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def base(make_repository):
    return make_repository("generic")


def test_put_get_head_range(base, registry, tmp_path):
    body = bytes(range(256)) * 1200
    (tmp_path / "f.bin").write_bytes(body)
    out = subprocess.run(
        ["curl", "-sS", "-f", "-T", tmp_path / "f.bin",
         f"{base}/tool/1.0/dir/f+1~.bin"], capture_output=True, check=True)
    told = json.loads(out.stdout)
    assert told["sha256"] == sha256(body)
    for url in (f"{base}/tool/1.0/dir/f+1~.bin", told["url"]):
        got = requests.get(url, timeout=30)
        assert got.status_code == 200 and got.content == body
        assert got.headers["X-Checksum-Md5"] == hashlib.md5(body).hexdigest()
        assert got.headers["X-Checksum-Sha512"] == hashlib.sha512(
            body).hexdigest()
        assert "Docker-Content-Digest" not in got.headers
    head = requests.head(told["url"], timeout=30)
    assert int(head.headers["Content-Length"]) == len(body)
    part = requests.get(told["url"], headers={"Range": "bytes=1000-1999"},
                        timeout=30)
    assert part.status_code == 206 and part.content == body[1000:2000]
    again = requests.get(told["url"], timeout=30,
                         headers={"If-None-Match": head.headers["ETag"]})
    assert again.status_code == 304
    dated = requests.get(
        told["url"], timeout=30,
        headers={"If-Modified-Since": head.headers["Last-Modified"]})
    assert dated.status_code == 304
    spool.wait_empty(registry)


def test_empty_and_chunked_bodies(base):
    assert requests.put(f"{base}/e/1/empty", data=b"",
                        timeout=30).status_code == 201
    assert requests.get(f"{base}/e/1/empty", timeout=30).content == b""
    parts = [b"a" * 70_000, b"b" * 10, b"c" * 70_000]
    assert requests.put(f"{base}/e/1/chunked", data=iter(parts),
                        timeout=30).status_code == 201
    assert requests.get(f"{base}/e/1/chunked",
                        timeout=30).content == b"".join(parts)


def test_other_bytes_are_refused_and_the_same_are_not(base, registry):
    url = f"{base}/a/1/f"
    assert requests.put(url, data=b"one", timeout=30).status_code == 201
    assert requests.put(url, data=b"one", timeout=30).status_code == 201
    refused = requests.put(url, data=b"two", timeout=30)
    assert refused.status_code == 409
    assert "already" in refused.json()["error"]
    assert requests.get(url, timeout=30).content == b"one"
    spool.wait_empty(registry)


def test_a_repository_may_allow_to_overwrite(make_repository):
    base = make_repository("generic", settings='{"overwrite": true}')
    for body in (b"one", b"two"):
        assert requests.put(f"{base}/a/1/f", data=body,
                            timeout=30).status_code == 201
        assert requests.get(f"{base}/a/1/f", timeout=30).content == body


def test_checksums_are_looked_at(base, registry):
    body = b"checked"
    bad = requests.put(f"{base}/c/1/f", data=body, timeout=30,
                       headers={"X-Checksum-Sha1": "0" * 40})
    assert bad.status_code == 400 and "sha1" in bad.json()["error"]
    assert requests.get(f"{base}/c/1/f", timeout=30).status_code == 404
    good = requests.put(f"{base}/c/1/f", data=body, timeout=30, headers={
        "X-Checksum-Sha1": hashlib.sha1(body).hexdigest().upper()})
    assert good.status_code == 201
    spool.wait_empty(registry)


def test_deploy_by_checksum(base):
    body = b"known bytes"
    headers = {"X-Checksum-Deploy": "true", "X-Checksum-Sha256": sha256(body)}
    unknown = requests.put(f"{base}/d/2/g", headers=headers, timeout=30)
    assert unknown.status_code == 404
    requests.put(f"{base}/d/1/f", data=body, timeout=30)
    known = requests.put(f"{base}/d/2/g", headers=headers, timeout=30)
    assert known.status_code == 201
    assert requests.get(f"{base}/d/2/g", timeout=30).content == body


def test_lists(base):
    for path in ("l/1/a", "l/1/b/c", "l/1-x/a", "l/2/a", "top"):
        requests.put(f"{base}/{path}", data=path.encode(), timeout=30)
    html = requests.get(f"{base}/l/", timeout=30)
    assert html.headers["Content-Type"].startswith("text/html")
    for name in ("1/", "1-x/", "2/"):
        assert f'<a href="{name}">' in html.text
    entries = requests.get(f"{base}/l/1/", timeout=30,
                           headers={"Accept": "application/json"}).json()
    assert [(e["name"], e["folder"]) for e in entries["entries"]] == [
        ("a", False), ("b", True)]
    root = requests.get(f"{base}/?format=json", timeout=30).json()
    assert [e["name"] for e in root["entries"]] == ["l", "top"]
    moved = requests.get(f"{base}/l/1", timeout=30, allow_redirects=False)
    assert moved.status_code == 301
    followed = requests.get(f"{base}/l/1", timeout=30)
    assert followed.url.endswith("/l/1/") and followed.status_code == 200
    assert requests.get(f"{base}/none/", timeout=30).status_code == 404


def test_delete(base):
    for path in ("x/1/a", "x/1/b", "x/2/a", "x/3/a"):
        requests.put(f"{base}/{path}", data=b"1", timeout=30)
    assert requests.get(f"{base}/x/1/a", timeout=30).status_code == 200
    assert requests.delete(f"{base}/x/1/a", timeout=30).status_code == 204
    assert requests.get(f"{base}/x/1/a", timeout=30).status_code == 404
    assert requests.get(f"{base}/x/1/b", timeout=30).status_code == 200
    assert requests.delete(f"{base}/x/1/a", timeout=30).status_code == 404
    assert requests.delete(f"{base}/x/2/", timeout=30).status_code == 204
    assert requests.get(f"{base}/x/2/a", timeout=30).status_code == 404
    assert requests.delete(f"{base}/x/", timeout=30).status_code == 204
    assert requests.get(f"{base}/x/3/a", timeout=30).status_code == 404
    assert requests.put(f"{base}/x/1/a", data=b"2",
                        timeout=30).status_code == 201


def test_properties(base):
    url = f"{base}/p/1/f"
    requests.put(url, data=b"1", timeout=30)
    told = requests.put(url + "?properties", timeout=30,
                        json={"stage": ["qa", "prod"]})
    assert told.status_code == 204
    assert requests.get(url + "?properties", timeout=30).json() == {
        "stage": ["prod", "qa"]}
    assert requests.put(url + "?properties", data=b"[]",
                        timeout=30).status_code == 400


@pytest.mark.parametrize("path", [
    "a/../b", "a/%2e%2e/b", "a//b", "a/b%00", "a/%5cb", "-/x", "a/./b"])
def test_hostile_paths(base, registry, path):
    # requests would tidy them up.
    code = subprocess.run(
        ["curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w",
         "%{http_code}", "-X", "PUT", "--data-binary", "x",
         f"{base}/{path}"], capture_output=True, text=True, check=True).stdout
    assert code in ("400", "404", "405")
    spool.wait_empty(registry)


def test_upload_in_pieces(base):
    body = bytes(i % 251 for i in range(BIG))
    begun = requests.post(f"{base}/-/uploads/", timeout=30)
    assert begun.status_code == 202
    url = begun.headers["Location"]
    for first in range(0, BIG, 100_000):
        part = body[first:first + 100_000]
        sent = requests.patch(url, data=part, timeout=30, headers={
            "Content-Range": f"{first}-{first + len(part) - 1}"})
        assert sent.status_code == 202, sent.text
    status = requests.get(url.split("?")[0], timeout=30)
    assert status.status_code == 204
    assert status.headers["Range"] == f"0-{BIG - 1}"
    done = requests.put(url.split("?")[0], timeout=30, params={
        "path": "pieces/1/f", "digest": "sha256:" + sha256(body)})
    assert done.status_code == 201, done.text
    got = requests.get(f"{base}/pieces/1/f", timeout=30)
    assert got.content == body
    assert got.headers["X-Checksum-Sha1"] == hashlib.sha1(body).hexdigest()


def test_downloads_are_counted_once_each(base):
    url = f"{base}/n/1/f"
    requests.put(url, data=b"count me", timeout=30)
    for _ in range(5):
        assert requests.get(url, timeout=30).status_code == 200
    etag = requests.head(url, timeout=30).headers["ETag"]
    requests.get(url, timeout=30, headers={"If-None-Match": etag})
    requests.get(url, timeout=30, headers={"Range": "bytes=3-"})

    def counted():
        entries = requests.get(f"{base}/n/1/?format=json", timeout=30).json()
        return entries["entries"][0]["downloads"] == 5
    process.wait_until(counted, what="5 downloads counted")


def test_reads_go_on_without_the_daemon(make_repository, fresh_registry):
    base = make_repository("generic", server=fresh_registry)
    requests.put(f"{base}/r/1/f", data=b"still here", timeout=30)
    assert requests.get(f"{base}/r/1/f", timeout=30).content == b"still here"
    fresh_registry.pause_daemon()
    try:
        got = requests.get(f"{base}/r/1/f", timeout=30)
        assert got.content == b"still here"
    finally:
        fresh_registry.resume_daemon()
    fresh_registry.restart_daemon()
    assert requests.get(f"{base}/r/1/f", timeout=30).content == b"still here"


def test_no_such_repository(registry):
    got = requests.get(f"{registry.url}/generic/none/f", timeout=30)
    assert got.status_code == 404 and "none" in got.json()["error"]
