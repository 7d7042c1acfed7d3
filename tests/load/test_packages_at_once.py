"""A hundred uploads of packages that are all begun before the first byte of
any, in several formats; and search in a repository of very many files.

LONGSHORE_LOAD=full: a million files instead of 50,000."""

import hashlib
import json
import os
import socket
import sqlite3
import struct
import time

import pytest
import requests

from formats.test_cargo import archive
from formats.test_maven import path_of
from harness import process, spool
from harness.private import add_repository

UPLOADS = 100
FULL = os.environ.get("LONGSHORE_LOAD") == "full"


def memory_kib(server):
    total = 0
    for pid in [server.daemon_pid, *server.worker_pids()]:
        with open(f"/proc/{pid}/status") as status:
            total += sum(int(line.split()[1]) for line in status
                         if line.startswith("VmRSS"))
    return total


def jobs(bases):
    """(URL to put to, body, URL to get, what is got) of each upload."""
    for number in range(UPLOADS):
        body = os.urandom(1 << 20)
        kind = number % 3
        if kind == 0:
            url = f"{bases['generic']}/f{number}/1/file"
            yield url, body, url, body
        elif kind == 1:
            url = f"{bases['maven']}/" + path_of("org.many", f"m{number}", "1")
            yield url, body, url, body
        else:
            name = f"many{number}"
            crate = archive(name, "1.0.0", f'[package]\nname = "{name}"\n'
                            'version = "1.0.0"\n# ' + body[:4096].hex())
            meta = json.dumps({"name": name, "vers": "1.0.0", "deps": [],
                               "features": {}}).encode()
            frame = (struct.pack("<I", len(meta)) + meta
                     + struct.pack("<I", len(crate)) + crate)
            yield (f"{bases['cargo']}/api/v1/crates/new", frame,
                   f"{bases['cargo']}/crates/{name}/1.0.0/download", crate)


@pytest.mark.heavy
def test_a_hundred_uploads_at_once(make_registry):
    server = make_registry(workers=2)
    bases = {format: add_repository(server, format, format)
             for format in ("generic", "maven", "cargo")}
    todo = list(jobs(bases))
    before = memory_kib(server)
    sockets = []
    for url, body, _, _ in todo:
        connection = socket.create_connection((server.host, server.port),
                                              timeout=120)
        path = url[len(server.url):]
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {server.address}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode())
        sockets.append(connection)
    step = 64 << 10
    longest = max(len(body) for _, body, _, _ in todo)
    for first in range(0, longest, step):
        for connection, (_, body, _, _) in zip(sockets, todo, strict=True):
            connection.sendall(body[first:first + step])
    statuses = []
    for connection in sockets:
        head = b""
        while b"\r\n" not in head:
            head += connection.recv(65536)
        statuses.append(int(head.split()[1]))
        connection.close()
    assert all(status in (200, 201) for status in statuses), statuses
    assert memory_kib(server) - before < 128 << 10
    for _, _, url, body in todo:
        got = requests.get(url, timeout=60).content
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
    spool.wait_empty(server)


def fill(server, key, files):
    """A repository with so many files, ten to a package, by SQL."""
    add_repository(server, key, "cargo")
    database = sqlite3.connect(server.root / "db" / "longshore.sqlite",
                               timeout=60)
    words = ("http json async client server parse token crypto image graph "
             "matrix proto cache queue stream codec").split()
    with database:
        repository = database.execute(
            "SELECT id FROM repositories WHERE key = ?", (key,)).fetchone()[0]
        blob = database.execute(
            "INSERT INTO blobs (digest, size_bytes) VALUES (?, 1)"
            " RETURNING id", ("sha256:" + "0" * 64,)).fetchone()[0]
        start = database.execute(
            "SELECT coalesce(max(id), 0) + 1 FROM packages").fetchone()[0]
        count = files // 10
        database.executemany(
            "INSERT INTO packages VALUES (?,?,?,?,1,'{}',?,?,'1.0.0',0,0,?)",
            ((start + n, repository, f"pkg-{n}", f"pkg-{n}",
              f"a {words[n % 16]} for {words[n // 16 % 16]}",
              words[n // 256 % 16], n % 1000) for n in range(count)))
        database.executemany(
            "INSERT INTO package_search (rowid, name, summary, keywords,"
            " place) VALUES (?,?,?,?,?)",
            ((start + n, f"pkg-{n}",
              f"a {words[n % 16]} for {words[n // 16 % 16]}",
              words[n // 256 % 16], f"r{repository}") for n in range(count)))
        database.executemany(
            "INSERT INTO versions VALUES (?,?,'1.0.0','1.0.0','1','active',"
            "'','{}','',0)", ((start + n, start + n) for n in range(count)))
        database.executemany(
            "INSERT INTO files (repository_id, version_id, path, blob_id,"
            " role, media_type, data, created_at_ms, downloads)"
            " VALUES (?,?,?,?,'','','{}',0,0)",
            ((repository, start + n // 10, f"f/{n}", blob)
             for n in range(files)))
    database.close()


@pytest.mark.alone
def test_search_among_very_many_files(make_registry, capsys):
    files = 1_000_000 if FULL else 50_000
    server = make_registry(workers=1)
    fill(server, "many", files)
    base = f"{server.url}/cargo/many/api/v1/crates"
    session = requests.Session()
    session.get(base, params={"q": "http"}, timeout=60)
    took = []
    for number in range(300):
        words = ("http", "http json", "pkg", f"pkg-{number}", "crypt", "zzz",
                 "a for")[number % 7]
        begin = time.perf_counter()
        got = session.get(base, params={"q": words, "per_page": 20},
                          timeout=60)
        took.append(time.perf_counter() - begin)
        assert got.status_code == 200
    took.sort()
    with capsys.disabled():
        print(f"\nsearch among {files} files: median "
              f"{took[150] * 1000:.1f} ms, p99 {took[296] * 1000:.1f} ms")
    assert took[296] < (0.050 if FULL else 0.5)


def test_the_fixture_counts(make_registry):
    """What fill() made is found as what is published is."""
    server = make_registry(workers=1)
    fill(server, "few", 100)
    base = f"{server.url}/cargo/few/api/v1/crates"
    process.wait_until(lambda: requests.get(
        base, params={"q": "pkg"}, timeout=30).json()["meta"]["total"] == 10,
        what="ten packages are found")
