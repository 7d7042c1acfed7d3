"""What a client says of itself in the headers of proxies changes nothing: not
its address, not the scheme, not the name that links and challenges have."""

import pytest

from harness import http, oci
from harness.authorized import PRIVATE, Authorized

pytestmark = pytest.mark.ours

SPOOFED = (
    [("X-Forwarded-Proto", "gopher")],
    [("X-Forwarded-Host", "evil.example")],
    [("X-Forwarded-For", "203.0.113.7"), ("X-Real-IP", "203.0.113.7")],
    [("Forwarded", "for=203.0.113.7;host=evil.example;proto=gopher")],
    [("X-Forwarded-Prefix", "/evil"), ("X-Original-URL", "/v2/_catalog"),
     ("X-Rewrite-URL", "/v2/_catalog")],
    [("X-SSL-Client-Verify", "SUCCESS"), ("X-Client-Cert", "x"),
     ("X-Remote-User", "root"), ("X-Forwarded-User", "root")],
)


@pytest.fixture(scope="module")
def server():
    with Authorized() as made:
        yield made


def told(answer):
    """What an answer says, without what each one has of its own."""
    return answer.status, sorted(
        (name.lower(), value) for name, value in answer.headers
        if name.lower() not in ("date", "docker-upload-uuid", "location")
    ), answer.body


def test_headers_of_proxies_are_a_client_s_words(server):
    reader = list(server.root_basic().items())
    for method, target, who in (
            ("GET", "/v2/", []), ("GET", f"/v2/{PRIVATE}/tags/list", []),
            ("GET", "/-/metrics", reader), ("GET", "/v2/_catalog", reader),
            ("POST", f"/v2/{PRIVATE}/blobs/uploads/", reader)):
        plain = http.request(server, method, target, who)
        for more in SPOOFED:
            spoofed = http.request(server, method, target, who + more)
            if target == "/-/metrics":
                assert spoofed.status == plain.status == 200, more
                continue
            assert told(spoofed) == told(plain), more
            if "Location" in plain.headers:
                places = [oci.target(one.headers["Location"]).rpartition("/")
                          for one in (plain, spoofed)]
                assert places[0][0] == places[1][0], more
    assert "evil" not in server.logs()
