"""Every route, method, form of credential, principal, repository and
spelling over the real servers: what the wire says against docs/auth.md as
harness.policy says it, cold and warm, with and without the daemon, over TLS
with certificates, and over HTTP/2.

`LONGSHORE_AUTH=full` sends every cell instead of a slice of them;
`LONGSHORE_CELLS` is a regular expression of operations, and only theirs."""

import itertools
import os
import random
import re
import threading
import time
import uuid

import pytest

from harness import http, http2, oci
from harness.accounts import make_token
from harness.authorized import (
    BLOB, HIDDEN, LIMITS, OTHER, PEOPLE, PRIVATE, PUBLIC, SECRET, SECRET_BLOB,
    SEEN, Authorized, basic, bearer, world)
from harness.policy import (
    OK, Credential, issued, may_at_all, verdict)
from harness.process import run, wait_until

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

SEED = int(os.environ.get("LONGSHORE_SEED", "4"))
FULL = os.environ.get("LONGSHORE_AUTH") == "full"
ONLY = os.environ.get("LONGSHORE_CELLS", "")
CELLS = 3000 if ONLY else 5000
COLD_AFTER = 200  # cells of a thread; then the policy changes
THREADS = 2
MISSING = {name: name[:-1] + "z" for name in (PRIVATE, PUBLIC, OTHER)}
ABSENT = oci.digest(b"never stored")
UNIQUE = itertools.count()
WORLD = world()

# Forms of a token: its kind, and how it is sent (formats of clients).
HEADERS = {
    "bearer": lambda token: bearer(token)["Authorization"],
    "raw": lambda token: token,
    "token": lambda token: f"Token {token}",
    "basic": lambda token: basic("x", token)["Authorization"],
    "user": lambda token: basic(token, "")["Authorization"],
}
# Access tokens: the API token that they were had by (else the password), and
# what was asked for: everything here, pull here, everything elsewhere.
ACCESS = {"access": ("", "all"), "access_token": ("whole", "all"),
          "access_readonly": ("readonly", "all"),
          "access_limited": ("limited", "all"), "access_pull": ("", "pull"),
          "narrow": ("", "elsewhere"), "access_expired": ("", "all")}
ENDED = ("expired", "revoked", "forged", "access_expired")
FORMS = ["password", "wrong_password", "malformed", "two_headers",
         *(f"{kind}/{header}" for kind in (*LIMITS, "forged", *ACCESS)
           for header in HEADERS)]
# Those that other spellings of a name are tried with.
FEW = ("password", "whole/bearer", "limited/basic", "revoked/raw",
       "access/bearer", "narrow/token", "malformed")
NOBODY_S = ("access/", "access_pull/", "narrow/", "access_expired/",
            "stranger")
PATIENCE_S = 60  # with a registryd that has no time
PLACES = ("here", "elsewhere", "absent", "nowhere")

# label: method, path, action, status where it is and where it is not
OPERATIONS = {
    "ping": ("GET", "/v2/", "registry", 200, 200),
    "ping head": ("HEAD", "/v2/", "registry", 200, 200),
    "catalog": ("GET", "/v2/_catalog", "catalog", 200, 200),
    "tags": ("GET", "/tags/list", "pull", 200, 404),
    "tags head": ("HEAD", "/tags/list", "pull", 200, 404),
    "tags post": ("POST", "/tags/list", "no method", 405, 405),
    "tag get": ("GET", "/manifests/{tag}", "pull", 200, 404),
    "tag head": ("HEAD", "/manifests/{tag}", "pull", 200, 404),
    "tag put": ("PUT", "/manifests/{tag}", "push", 201, 201),
    "tag delete": ("DELETE", "/manifests/{tag}", "delete", 202, 404),
    "manifest get": ("GET", "/manifests/{manifest}", "pull", 200, 404),
    "manifest head": ("HEAD", "/manifests/{manifest}", "pull", 200, 404),
    "manifest put": ("PUT", "/manifests/{manifest}", "push", 201, 201),
    "manifest delete": ("DELETE", "/manifests/{manifest}", "delete", 202,
                        404),
    "blob get": ("GET", "/blobs/{blob}", "pull", 200, 404),
    "blob range": ("GET", "/blobs/{blob}", "pull", 206, 404),
    "blob head": ("HEAD", "/blobs/{blob}", "pull", 200, 404),
    "blob delete": ("DELETE", "/blobs/{blob}", "delete", 202, 404),
    "referrers": ("GET", "/referrers/{manifest}", "pull", 200, 200),
    "upload": ("POST", "/blobs/uploads/", "push", 202, 202),
    "upload whole": ("POST", "/blobs/uploads/?digest={blob}", "push", 201,
                     201),
    "mount": ("POST", "/blobs/uploads/?mount={blob}&from=" + PUBLIC, "push",
              201, 202),
    "mount hidden": ("POST", "/blobs/uploads/?mount={blob}&from=" + HIDDEN,
                     "push", 202, 202),
    "session get": ("GET", "{session}", "push", 204, 404),
    "session patch": ("PATCH", "{session}", "push", 202, 404),
    "session put": ("PUT", "{session}?digest={blob}", "push", 201, 404),
    "session delete": ("DELETE", "{session}", "push", 204, 404),
}
SPELLINGS = {
    "plain": lambda name: name,
    "escaped": lambda name: "%" + f"{ord(name[0]):02x}" + name[1:],
    "escaped end": lambda name: name[:-1] + f"%{ord(name[-1]):02X}",
    "double slash": lambda name: name.replace("/", "//", 1),
    "upper case": str.upper,
    "dot": lambda name: name.replace("/", "/./", 1),
    "dots": lambda name: name.replace("/", "/x/../", 1),
    "escaped dots": lambda name: name.replace("/", "/x/%2e%2e/", 1),
    "dots from public": lambda name: f"{PUBLIC}/../../../{name}",
    "escaped slash": lambda name: name.replace("/", "%2F", 1),
    "escaped twice": lambda name: "%25" + f"{ord(name[0]):02x}" + name[1:],
}
SAME = ("plain", "escaped", "escaped end")
SECRET_HEADERS = {"date", "x-request-id", "connection", "keep-alive"}


def scope_asked(kind, name):
    """Of an access token: {name: actions}."""
    asked = ACCESS[kind][1]
    if asked == "elsewhere":
        return {"team/elsewhere": ("pull", "push", "delete")}
    actions = ("pull",) if asked == "pull" else ("pull", "push", "delete")
    return {**({name: actions} if name else {}), "catalog": ("*",)}


def shown(who, form, name):
    """The credential as harness.policy knows it."""
    if form in ("none", "stranger's certificate"):
        return Credential(shown=False)
    if form in ("password", "certificate"):
        return Credential(who)
    kind = form.partition("/")[0]
    if kind not in LIMITS and kind not in ACCESS or kind in ENDED:
        return Credential(who, bad=True)
    if kind in LIMITS:
        return Credential(who, limits=LIMITS[kind])
    made = Credential(who, limits=LIMITS.get(ACCESS[kind][0]))
    made.scope = issued(WORLD, made, scope_asked(kind, name))
    return made


def expected(who, form, action, name):
    """OK, 401 or 403."""
    if action == "no method":
        return OK  # 405 comes before any credential is looked at
    return verdict(WORLD, shown(who, form, name), name, action)


def every_cell(forms=FORMS, spelled=FEW):
    for label, (_, path, *_) in OPERATIONS.items():
        if ONLY and not re.match(ONLY, label):
            continue
        named = not path.startswith("/v2/")
        who_and_how = [("anonymous", "none")]
        who_and_how += [("anonymous", form) for form in forms
                        if form.startswith(NOBODY_S)]
        who_and_how += itertools.product(
            PEOPLE, [form for form in forms if not form.startswith("strang")])
        for (who, form), name, place, spelling in itertools.product(
                who_and_how, (PRIVATE, PUBLIC, OTHER) if named else ("",),
                PLACES if named else ("here",),
                SPELLINGS if named else ("plain",)):
            if spelling == "plain" or form in spelled or form == "none":
                yield label, who, form, name, place, spelling


class Prober:
    """One connection with the cells of one thread."""

    def __init__(self, server, differences, answers):
        self.server = server
        self.differences = differences
        self.answers = answers  # what a refusal looks like, shared
        self.connection = None
        self.connected_as = None
        self.own = None  # certificate and key of the next request
        self.access = {}
        self.requests = self.late = 0

    def connect(self):
        self.connected_as = self.own
        return http.Connection(self.server.host, self.server.port,
                               self.server.tls, own=self.own)

    def send(self, *words):
        """On a machine that has no time registryd may be late: the 503 with
        which nginx then says when to come back is no answer yet."""
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self.send_once(*words)
            if answer.status != 503 or time.monotonic() > until:
                return answer
            self.late += 1
            time.sleep(0.2)

    def send_once(self, method, target, headers, body=b""):
        self.requests += 1
        if self.connected_as != self.own:
            self.close()
        if self.connection is None:
            self.connection = self.connect()
        try:
            answer = self.connection.request(method, target, headers, body)
        except http.Closed:
            self.close()  # kept for too many requests, or too long
            self.connection = self.connect()
            answer = self.connection.request(method, target, headers, body)
        if answer.will_close:
            self.close()
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def by_root(self, status, method, target, body=b"", kind=None):
        self.own = None
        headers = list(self.server.root_basic().items())
        if kind:
            headers.append(("Content-Type", kind))
        answer = self.send(method, target, headers, body)
        assert answer.status == status, (method, target, answer.status,
                                         answer.body)
        return answer

    # Credentials

    def access_token(self, who, kind, name):
        # Anew before it ends (300 s): the full matrix takes longer.
        key = who, kind, name, int(time.monotonic() / 120)
        if key in self.access:
            return self.access[key]
        if who == "disabled":
            return self.server.tokens[who, "whole"]  # it gets none
        scopes = [f"{'registry' if one == 'catalog' else 'repository'}:{one}:"
                  + ",".join(actions)
                  for one, actions in scope_asked(kind, name).items()]
        headers = {}
        if ACCESS[kind][0]:
            headers = basic("x", self.server.tokens[who, ACCESS[kind][0]])
        elif who != "anonymous":
            headers = basic(who, self.server.password(who))
        query = "&".join(f"scope={scope}" for scope in scopes)
        answer = self.send(
            "GET", f"/-/token?service=registry&{query}", headers)
        assert answer.status == 200, (who, kind, answer.status, answer.body)
        token = answer.json()["token"]
        if kind == "access_expired":
            token = self.server.expired(token)
        self.access[key] = token
        return token

    def secret(self, who, kind, name):
        if kind in ACCESS:
            return self.access_token(who, kind, name)
        if kind != "forged":
            return self.server.tokens[who, kind]
        # Well formed, of an id that is there.
        return make_token(public=self.server.tokens[who, "whole"][4:12])[1]

    def credential(self, who, form, name):
        """Header fields, as pairs."""
        whole = self.server.tokens.get((who, "whole"))
        self.own = self.server.certificates.get(
            who if form == "certificate" else form)
        if form == "none" or form.endswith("certificate"):
            return []
        if form == "two_headers":
            return [("Authorization", f"Bearer {whole}")] * 2
        if form == "malformed":
            return [("Authorization", f"Digest {whole}")]
        if form == "password":
            return list(basic(who, self.server.password(who)).items())
        if form == "wrong_password":
            # Each name once: several in a row would be locked.
            return list(basic(f"nobody{next(UNIQUE)}", "wrong").items())
        kind, _, header = form.partition("/")
        return [("Authorization",
                 HEADERS[header](self.secret(who, kind, name)))]

    # Things

    def things(self, label, name, place, may):
        """What the request names; made anew where it will be changed."""
        tag, manifest, blob = {
            "here": ("v1", SEEN.digest, oci.digest(BLOB)),
            "elsewhere": ("h1", SECRET.digest, oci.digest(SECRET_BLOB))}.get(
                place, ("v0", ABSENT, ABSENT))
        found = {"tag": tag, "manifest": manifest, "blob": blob}
        kind, _, deed = label.partition(" ")
        if not may:
            if kind == "session":
                if place == "here":
                    found["session"] = self.make_session(name)
                else:
                    found["session"] = self.no_session(name)
            return found, b""
        body = b""
        if kind == "session":
            body = f"{next(UNIQUE)}".encode()
            found["blob"] = oci.digest(body)
            found["session"] = (self.make_session(name) if place == "here"
                                else self.no_session(name))
        elif label in ("tag put", "manifest put"):
            image = oci.make_index([], annotations={
                "x": f"put{next(UNIQUE)}"})
            body = image.manifest
            found.update(tag=f"t{next(UNIQUE)}", manifest=image.digest)
        elif deed == "delete" and place == "here":
            if kind == "blob":
                found["blob"] = self.make_blob(name)
            else:
                image = oci.make_index([], annotations={
                    "x": f"doomed{next(UNIQUE)}"})
                found.update(tag=f"d{next(UNIQUE)}", manifest=image.digest)
                self.by_root(201, "PUT",
                             f"/v2/{name}/manifests/{found['tag']}",
                             image.manifest, oci.INDEX)
        elif label == "upload whole":
            body = f"whole {next(UNIQUE)}".encode()
            found["blob"] = oci.digest(body)
        elif label == "mount hidden":
            found["blob"] = self.make_blob(HIDDEN)
        return found, body

    def make_session(self, name):
        answer = self.by_root(202, "POST", f"/v2/{name}/blobs/uploads/")
        path = oci.target(answer.headers["Location"]).partition("?")[0]
        return path[len(f"/v2/{name}"):]

    @staticmethod
    def no_session(name):
        return f"/blobs/uploads/{uuid.uuid4()}"

    def make_blob(self, name):
        data = f"doomed {next(UNIQUE)}".encode()
        self.by_root(201, "POST", f"/v2/{name}/blobs/uploads/?digest="
                     + oci.digest(data), data, "application/octet-stream")
        return oci.digest(data)

    # Cells

    def request(self, cell):
        """(repository, answer) after everything it needs was made."""
        name, *words = self.prepared(cell)
        return name, self.send(*words)

    def prepare(self, cell):
        """Method, target, header fields and body, to be sent later."""
        return self.prepared(cell)[1:]

    def prepared(self, cell):
        label, who, form, base, place, spelling = cell
        method, path, action, *_ = OPERATIONS[label]
        may = (expected(who, form, action, base) == OK
               and spelling in SAME)
        name = base
        if place == "nowhere":
            name = MISSING[base]
            if may and action == "push":
                name = f"{base}/n{next(UNIQUE)}"
        found, body = self.things(label, name, place, may)
        headers = self.credential(who, form, name)
        if label == "blob range":
            headers.append(("Range", "bytes=0-3"))
        if method in ("PUT", "PATCH", "POST"):
            headers.append(("Content-Type", oci.INDEX if "manifests" in path
                            else "application/octet-stream"))
        if path.startswith("/v2/"):
            target = path
        else:
            target = (f"/v2/{SPELLINGS[spelling](name)}"
                      + path.format(**found))
        return name, method, target, headers, body

    def probe(self, cell):
        for heat in ("cold", "warm"):
            name, answer = self.request(cell)
            self.judge(cell, heat, name, answer)

    def judge(self, cell, heat, name, answer):
        label, who, form, base, place, spelling = cell
        _, _, action, here, absent = OPERATIONS[label]
        want = expected(who, form, action, base)
        if spelling not in SAME:
            good = {400, 404} | ({401} if want == 401 else set())
            if action == "no method":
                good.add(405)
        elif want != OK:
            good = {want}
        else:
            there = place == "here" or (
                place != "nowhere" and label.startswith("tags"))
            good = {here if there else absent}
            if label == "mount hidden" and verdict(
                    WORLD, shown(who, form, base), HIDDEN, "pull") == OK:
                good = {201}
        if form == "two_headers":
            good = {400, 405}  # no HTTP: nginx does not go on with it
        if who == "disabled" and form == "password" and answer.status == 429:
            return  # to the lock it is a wrong password, in a row
        if answer.status not in good:
            self.differ(cell, heat, good, answer)
        if spelling in SAME and want in (401, 403):
            self.compare(cell, heat, name, answer)
        if label == "catalog" and answer.status == 200:
            self.check_catalog(cell, heat, answer)

    def compare(self, cell, heat, name, answer):
        """A refusal says the same whether the thing is there or not."""
        label, who, form, base, *_ = cell
        pairs = sorted((key.lower(), value) for key, value in answer.headers
                       if key.lower() not in SECRET_HEADERS)
        text = repr((answer.status, pairs, answer.body)).replace(
            name, "NAME") if name else repr((answer.status, answer.body))
        first = self.answers.setdefault((label, who, form, base), text)
        if first != text:
            self.differ(cell, heat, f"as before: {first}", answer, text)

    def check_catalog(self, cell, heat, answer):
        """What is listed is what may be pulled; a token's scope of the
        repository is not asked for."""
        _, who, form, *_ = cell
        credential = shown(who, form, "")
        listed = answer.json()["repositories"]
        for name in {*listed, PRIVATE, PUBLIC, OTHER, HIDDEN}:
            may = may_at_all(WORLD, credential, name, "pull") == OK
            if may != (name in listed) and not (
                    may and "Link" in answer.headers):
                self.differ(cell, heat, f"{name} in it: {may}", answer)

    def differ(self, cell, heat, want, answer, text=""):
        self.differences.append(
            f"{cell} {heat}: wanted {want}, got {answer.status} "
            f"{text or answer.body[:200]}")


class Prober2(Prober):
    """The same over HTTP/2."""

    def connect(self):
        return http2.Connection(self.server)

    def close(self):
        if self.connection is not None:
            self.connection.sock.close()
            self.connection = None

    def send_once(self, method, target, headers, body=b""):
        self.requests += 1
        pairs = headers.items() if isinstance(headers, dict) else headers
        pairs = [(name.lower(), value) for name, value in pairs]
        if body:
            pairs.append(("content-length", str(len(body))))
        for _ in range(3):
            if self.connection is None:
                self.connection = self.connect()
            answer = self.connection.request(method, target, pairs,
                                             body or None)
            if self.connection.closed:  # after so many requests
                self.close()
            if answer is not None:
                return answer
        raise AssertionError(f"no answer to {method} {target}")


class Certified(Authorized):
    """Over TLS, and everybody has a certificate."""

    def __init__(self):
        super().__init__(tls=True)
        self.issue("authority")
        self.server_directives = (
            f"ssl_client_certificate {self.dir}/authority.pem;"
            "ssl_verify_client optional;")

    def issue(self, name):
        """A certificate of its own, or by the authority."""
        by = [] if name == "authority" else [
            "-CA", self.dir / "authority.pem", "-CAkey",
            self.dir / "authority.pem.key"]
        file = self.dir / f"{name.replace(' ', '_')}.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
            f"/CN={name}", "-keyout", f"{file}.key", "-out", file, *by)
        return str(file), f"{file}.key"

    def make_accounts(self):
        super().make_accounts()
        for who in (*PEOPLE, "stranger's certificate"):
            self.certificates[who] = self.issue(who)
            if who in PEOPLE:
                self.ctl("certificate", "add", who, "--file",
                         self.certificates[who][0])


@pytest.fixture(scope="module")
def guarded():
    # Room for the grants of all cells.
    with Authorized(zone="test:64m" if FULL else "test:16m") as server:
        yield server


@pytest.fixture(scope="module")
def certified():
    with Certified() as server:
        yield server


def run_all(server, cells, work, policy=True, prober=Prober):
    """`work(prober, cell)` in a few threads; (differences, requests)."""
    differences, answers, errors = [], {}, []
    probers = [prober(server, differences, answers) for _ in range(THREADS)]

    def loop(prober, mine):
        try:
            for number, cell in enumerate(mine):
                work(prober, cell)
                if number % COLD_AFTER == COLD_AFTER - 1 and policy:
                    server.ctl("group", "add", f"g{next(UNIQUE)}")
        except Exception as error:  # noqa: BLE001: shown by the test
            errors.append(repr(error))
        finally:
            prober.close()
    threads = [threading.Thread(target=loop, args=(prober, cells[i::THREADS]))
               for i, prober in enumerate(probers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    if late := sum(prober.late for prober in probers):
        print(f"{late} requests were asked again, registryd was late")
    return differences, sum(prober.requests for prober in probers)


def chosen(cells, count, seed=SEED):
    cells = list(cells)
    random.Random(seed).shuffle(cells)
    return cells if FULL else cells[:count]


@pytest.mark.timeout(3600 if FULL else 120)
def test_matrix(guarded):
    cells = chosen(every_cell(), CELLS)
    start = time.monotonic()
    differences, requests = run_all(guarded, cells, Prober.probe)
    print(f"seed {SEED}: {len(cells)} cells, {requests} requests in "
          f"{time.monotonic() - start:.1f} s, {len(differences)} differences")
    assert not differences, "\n".join(differences[:40])


# A certificate is a credential like others, and less than a header.
TLS_FORMS = ("certificate", "stranger's certificate", "password",
             "limited/basic", "access/bearer", "revoked/token", "malformed",
             "two_headers")


@pytest.mark.timeout(3600 if FULL else 120)
@pytest.mark.parametrize("prober", [Prober, Prober2], ids=["certificates",
                                                           "http2"])
def test_matrix_over_tls(certified, prober):
    forms = TLS_FORMS if prober is Prober else TLS_FORMS[2:]
    cells = chosen(every_cell(forms), 700)
    differences, requests = run_all(certified, cells, Prober.probe,
                                    prober=prober)
    print(f"{len(cells)} cells, {requests} requests over TLS, "
          f"{len(differences)} differences")
    assert not differences, "\n".join(differences[:40])


SERVED = ("tag get", "tag head", "manifest get", "manifest head", "blob get",
          "blob range", "blob head")


def without_daemon(cell):
    """The answers that may come while nobody decides: never more than what
    this one was granted, and that only where nginx needs nobody."""
    label, who, form, name, place, _ = cell
    _, _, action, here, absent = OPERATIONS[label]
    if form == "two_headers":
        return {400, 405}
    if action == "no method":
        return {405}
    if expected(who, form, action, name) != OK:
        return {503}
    if place != "here":  # a grant had for a session that is there
        return {503, absent} if label.startswith("session") else {503}
    if label in SERVED:
        return {here}
    # A grant that is not over yet is as good for a session, and what was
    # kept for this one alone as long as that.
    warm = action in ("registry", "catalog") or label.startswith("session")
    return {503, here} if warm else {503}


def test_matrix_without_the_daemon(guarded):
    """What was granted and is warm goes on; nothing more than that."""
    known = [cell for cell in every_cell() if cell[5] in SAME]
    cells = chosen((cell for cell in known if cell[0] in SERVED
                    and cell[4] == "here"), 250)
    # Of these nobody has asked before.
    others = chosen((cell for cell in known if cell[0] not in SERVED
                     or cell[4] != "here"), 250, SEED + 1)
    tokens = {}

    made = {}

    def prepare(prober, cell):
        prober.access = tokens
        made[cell] = prober.prepare(cell)
    run_all(guarded, others + cells, prepare, policy=False)

    # Last, and asked again first: what is warm is so for a minute.
    def warm(prober, cell):
        prober.access = tokens
        prober.probe(cell)
    differences, _ = run_all(guarded, cells, warm, policy=False)
    assert not differences, "\n".join(differences[:40])
    counts = {}

    def without(prober, cell):
        prober.access = tokens
        answer = prober.send_once(*made[cell])
        good = without_daemon(cell)
        counts[answer.status] = counts.get(answer.status, 0) + 1
        if answer.status not in good:
            prober.differ(cell, "without", good, answer)
    guarded.pause_daemon()
    try:
        differences, _ = run_all(guarded, cells + others, without,
                                 policy=False)
    finally:
        guarded.resume_daemon()
    wait_until(guarded.daemon_answers, what="the daemon is back")
    print(f"{len(cells + others)} cells without the daemon: {counts}")
    assert not differences, "\n".join(differences[:40])
