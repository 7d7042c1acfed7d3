"""What registryd is told of a client's certificate: the SHA-256 of one that
nginx has verified, else nothing; and no answer made for it goes to others."""

import hashlib
import ssl
from pathlib import Path

import pytest

from harness import http
from harness.guarded import STATUS, Guarded
from harness.process import run, wait_until
from harness.seam import StandIn, reply
from harness.server import Registry

pytestmark = pytest.mark.ours


class Authority:
    """Signs certificates, or does not."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.file = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        run("openssl", "req", "-x509", *KEY, "-subj", f"/CN={name}", "-keyout",
            self.key, "-out", self.file)

    def issue(self, name):
        """(certificate file, key file) of a client."""
        request, cert, key = (self.folder / f"{name}.{end}"
                              for end in ("csr", "pem", "key"))
        run("openssl", "req", *KEY, "-subj", f"/CN={name}", "-keyout", key,
            "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.file,
            "-CAkey", self.key, "-CAcreateserial", "-days", "30", "-out",
            cert)
        return str(cert), str(key)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def fingerprint(own):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(
        Path(own[0]).read_text())).hexdigest()


class Seen(Registry):
    """nginx whose daemon answers with what it was told, to be kept."""

    stand_in = None

    def start_daemon(self):
        def answer(question):
            return reply(question, body=f"[{question.client_cert}]",
                         ttl_ms=60_000)
        self.stand_in = StandIn(self.endpoint, answer)

    def stop_daemon(self, sig=None):
        if self.stand_in is not None:
            self.stand_in.close()
            self.stand_in = None

    def told(self, own=None, headers=(), target="/v2/a/tags/list"):
        """The certificate that the daemon knows of this request."""
        with http.Connection(self.host, self.port, self.tls, 20,
                             own) as link:
            answer = link.request("GET", target, headers)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.body.decode()[1:-1]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module", params=["optional", "optional_no_ca"])
def server(authority, request):
    with Seen(tls=True, locations=STATUS, server_directives=(
            f"ssl_client_certificate {authority.file};"
            f"ssl_verify_client {request.param};")) as made:
        # A worker that meets the daemon empties the zone.
        wait_until(lambda: http.request(made, "GET", "/status").json()[
            "daemon_connected"] == 2, what="all workers connected")
        made.verify = request.param
        yield made


def test_a_verified_one_is_told(server, authority):
    first, second = authority.issue("first"), authority.issue("second")
    assert server.told(first) == fingerprint(first)
    assert server.told(second) == fingerprint(second)
    assert server.told() == ""
    assert server.stand_in.questions[-1].scheme == "https"


def test_an_answer_is_its_owner_s(server, authority):
    """Also behind one token: what is kept is not kept for both."""
    first, second = authority.issue("first"), authority.issue("second")
    token = {"Authorization": "Bearer x"}
    for headers in ({}, token):
        for own in (None, first, second, None, second, first):
            wanted = fingerprint(own) if own else ""
            assert server.told(own, headers, "/v2/kept/tags/list") == wanted
    # Without a certificate the answer was kept.
    assert len([question for question in server.stand_in.questions
                if question.target == "/v2/kept/tags/list"
                and not question.client_cert]) == 2


def test_a_grant_is_its_owner_s(authority, repo_name):
    """The certificate is part of the credential, beside whatever token."""
    first, second = authority.issue("first"), authority.issue("second")
    with Guarded(tls=True, server_directives=(
            f"ssl_client_certificate {authority.file};"
            "ssl_verify_client optional;")) as guarded:
        guarded.rights[fingerprint(first)] = {(repo_name, "pull")}
        blob = guarded.put_blob(repo_name)

        def cost(own, headers=()):
            def ask():
                with http.Connection(guarded.host, guarded.port, guarded.tls,
                                     20, own) as link:
                    return link.request("GET", blob, headers)
            return guarded.questions(ask)
        assert cost(first) == (200, 1)
        assert cost(first) == (200, 0)
        for own in (None, second):
            assert cost(own) == (401, 1)
        token = {"Authorization": "Bearer x"}
        assert cost(first, token) == (200, 1)
        for own in (None, second):
            assert cost(own, token) == (401, 1)
        assert cost(first, token) == (200, 0)


def test_a_stranger_s_is_not_told(server, tmp_path):
    """Signed by somebody, or by nobody."""
    stranger = Authority(tmp_path, "stranger")
    for own in (stranger.issue("guest"),
                (str(stranger.file), str(stranger.key))):
        if server.verify == "optional_no_ca":
            assert server.told(own) == ""
            continue
        with http.Connection(server.host, server.port, server.tls, 20,
                             own) as link:
            answer = link.request("GET", "/v2/a/tags/list")
        assert answer.status == 400
        assert answer.error_code() == "UNSUPPORTED"


def test_no_header_makes_one(server, authority):
    pretended = fingerprint(authority.issue("first"))
    for name in ("Client-Cert", "X-Client-Cert", "X-SSL-Client-Fingerprint",
                 "X-SSL-Client-Cert", "SSL-Client-Raw-Cert",
                 "SSL-Client-Verify"):
        assert server.told(None, {name: pretended}, f"/v2/{name.lower()}"
                           "/tags/list") == ""
