"""$registry_… in logs, and the log format registry_json."""

import itertools
import json

import pytest

from harness import http, oci
from harness.process import wait_until
from harness.server import Registry

pytestmark = pytest.mark.ours
MARKS = itertools.count()


@pytest.fixture(scope="module")
def server():
    class Logged(Registry):
        def conf_text(self):
            return super().conf_text().replace(
                f"access_log {self.access_log};",
                f"access_log {self.access_log} registry_json;"
                f"log_format ids '$request_id $registry_request_id';"
                f"access_log {self.dir}/ids.txt ids;")
    with Logged(workers=1) as made:
        yield made


def logged(server, call):
    """What `call()` returns, and the line of the log that it wrote."""
    # An answer arrives before its line: see that of an own request first.
    mark = f"/v2/?mark={next(MARKS)}"
    http.request(server, "GET", mark)
    wait_until(lambda: mark in server.access_log.read_text())
    before = len(lines(server))
    answer = call()
    wait_until(lambda: len(lines(server)) > before, what="a log line")
    return answer, json.loads(lines(server)[before])


def lines(server):
    return server.access_log.read_text().splitlines()


def test_pull_by_tag(server, repo_name):
    repo = oci.Repository(server, repo_name)
    image = oci.make_image()
    answer, line = logged(server, lambda: repo.push_blob(image.blobs[0]))
    repo.push(image, "v1")
    answer, line = logged(server, lambda: repo.get_manifest("v1"))
    assert line["repository"] == repo_name
    assert line["reference"] == "v1"
    assert line["format"] == "oci"
    assert line["action"] == "pull"
    assert line["digest"] == image.digest
    assert line["cache"] == "MISS"
    assert float(line["daemon_seconds"]) >= 0
    assert line["status"] == 200
    assert line["error"] == ""
    answer, line = logged(server, lambda: repo.get_manifest("v1"))
    assert line["cache"] == "HIT"
    assert line["daemon_seconds"] == ""
    assert line["digest"] == image.digest
    assert line["repository"] == repo_name


def test_blob_range(server, repo_name):
    repo = oci.Repository(server, repo_name)
    name = repo.push_blob(b"0123456789")
    answer, line = logged(
        server, lambda: repo.get_blob(name, {"Range": "bytes=2-3"}))
    assert answer.status == 206
    assert line["digest"] == name
    assert line["range"] == "bytes=2-3"
    assert line["repository"] == repo_name


def test_upload_id(server, repo_name):
    repo = oci.Repository(server, repo_name)
    first = repo.start_upload()
    upload = first.headers["Docker-Upload-UUID"]
    answer, line = logged(
        server, lambda: repo.patch(first.headers["Location"], b"abc", 0))
    assert answer.status == 202
    assert line["upload"] == upload
    assert line["range"] == "0-2"


@pytest.mark.parametrize("path,code", [
    ("/v2/A/tags/list", "NAME_INVALID"),
    ("/v2/never/was/manifests/v1", "NAME_UNKNOWN"),
    ("/v2/%zz", "UNSUPPORTED"),
])
def test_error(server, path, code):
    answer, line = logged(server, lambda: http.request(server, "GET", path))
    assert line["error"] == code
    assert line["status"] == answer.status


def test_request_id_is_that_of_nginx(server):
    http.request(server, "GET", "/v2/x/tags/list")
    ids = wait_until((server.dir / "ids.txt").read_text).split()
    assert ids[-1] == ids[-2] and len(ids[-1]) == 32


def test_no_secret_is_logged(server):
    headers = {"Authorization": "Basic c2VjcmV0OnNlY3JldA=="}
    _, line = logged(server, lambda: http.request(
        server, "GET", "/v2/x/tags/list", headers))
    assert "c2VjcmV0" not in json.dumps(line)
