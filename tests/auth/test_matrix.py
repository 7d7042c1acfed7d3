"""Every route, method, form of credential, principal, repository and
spelling over the real servers: what the wire says against a policy of a few
lines, cold and warm, with and without the daemon.

`LONGSHORE_AUTH=full` sends every cell instead of a slice of them."""

import itertools
import os
import random
import threading
import time
import uuid

import pytest

from harness import http, oci
from harness.authorized import (
    BLOB, OTHER, PEOPLE, PRIVATE, PUBLIC, RIGHTS, SEEN, Authorized, basic,
    bearer)
from harness.process import wait_until

pytestmark = [pytest.mark.ours, pytest.mark.heavy]

SEED = int(os.environ.get("LONGSHORE_SEED", "4"))
FULL = os.environ.get("LONGSHORE_AUTH") == "full"
CELLS = 5000
COLD_AFTER = 200  # cells of a thread; then the policy changes
THREADS = 2
OK = "ok"  # may do it: the route's own answer
MISSING = {name: name[:-1] + "z" for name in (PRIVATE, PUBLIC, OTHER)}
ABSENT = oci.digest(b"never stored")
UNIQUE = itertools.count()

# Credentials that are good; what they cannot do is in `expected`.
GOOD = ("password", "basic_token", "user_token", "bearer", "raw", "token",
        "access", "access_token", "narrow", "readonly", "access_readonly",
        "limited")
UNLIMITED = GOOD[:6]
BAD = ("wrong_password", "expired", "revoked", "malformed", "two_headers",
       "forged")
UNKNOWN = ("two_headers",)  # not seen by anything of ours
PLACES = ("here", "absent", "nowhere")  # the thing, only it, no repository

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
    "mount hidden": ("POST", "/blobs/uploads/?mount={blob}&from=hidden/a",
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


def expected(who, form, action, name):
    """The policy in short: OK, 401 or 403."""
    if action == "no method":
        return OK  # 405 comes before any credential is looked at
    if form in BAD or who == "disabled":
        return 401
    if action in ("registry", "catalog"):
        refused = form == "none" or (form == "narrow" and action == "catalog")
        return 401 if refused else OK
    if action == "pull" and name.startswith("team/open/"):
        return OK
    if who == "anonymous":
        return 401
    if action not in RIGHTS[who].split():
        return 403
    if form in ("readonly", "access_readonly") and action != "pull":
        return 403
    if form == "limited" and not name.startswith("other/"):
        return 403
    return 401 if form == "narrow" else OK


def every_cell():
    for label, (_, path, *_) in OPERATIONS.items():
        named = not path.startswith("/v2/")
        who_and_how = [("anonymous", "none"), ("anonymous", "access")]
        who_and_how += itertools.product(PEOPLE, GOOD + BAD)
        for (who, form), name, place, spelling in itertools.product(
                who_and_how, (PRIVATE, PUBLIC, OTHER) if named else ("",),
                PLACES if named else ("here",),
                SPELLINGS if named else ("plain",)):
            yield label, who, form, name, place, spelling


class Prober:
    """One connection with the cells of one thread."""

    def __init__(self, server, differences, answers):
        self.server = server
        self.differences = differences
        self.answers = answers  # what a refusal looks like, shared
        self.connection = None
        self.access = {}
        self.requests = 0

    def send(self, method, target, headers, body=b""):
        self.requests += 1
        if self.connection is None:
            self.connection = http.Connection(self.server.host,
                                              self.server.port)
        try:
            answer = self.connection.request(method, target, headers, body)
        except http.Closed:
            self.close()  # kept for too many requests, or too long
            self.connection = http.Connection(self.server.host,
                                              self.server.port)
            answer = self.connection.request(method, target, headers, body)
        if answer.will_close:
            self.close()
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def by_root(self, status, method, target, body=b"", kind=None):
        headers = list(self.server.root_basic().items())
        if kind:
            headers.append(("Content-Type", kind))
        answer = self.send(method, target, headers, body)
        assert answer.status == status, (method, target, answer.status,
                                         answer.body)
        return answer

    # Credentials

    def access_token(self, who, form, name):
        # Anew before it ends (300 s): the full matrix takes longer.
        key = who, form, name, int(time.monotonic() / 120)
        if key in self.access:
            return self.access[key]
        if who == "disabled":
            return self.server.tokens[who, "whole"]  # it gets none
        scopes = [f"repository:{name}:pull,push,delete"] if name else []
        if form == "narrow":
            scopes = ["repository:team/elsewhere:pull,push,delete"]
        else:
            scopes.append("registry:catalog:*")
        headers = {}
        if form == "access_token":
            headers = basic("x", self.server.tokens[who, "whole"])
        elif form == "access_readonly":
            headers = basic("x", self.server.tokens[who, "readonly"])
        elif who != "anonymous":
            headers = basic(who, self.server.password(who))
        query = "&".join(f"scope={scope}" for scope in scopes)
        answer = self.send(
            "GET", f"/-/token?service=registry&{query}", headers)
        assert answer.status == 200, (who, form, answer.status, answer.body)
        token = self.access[key] = answer.json()["token"]
        return token

    def credential(self, who, form, name):
        """Header fields, as pairs."""
        whole = self.server.tokens.get((who, "whole"))
        if form == "none":
            return []
        if form in ("access", "access_token", "narrow", "access_readonly"):
            return list(bearer(self.access_token(who, form, name)).items())
        if form == "two_headers":
            return [("Authorization", f"Bearer {whole}")] * 2
        if form in ("bearer", "readonly", "limited", "expired", "revoked"):
            kind = "whole" if form == "bearer" else form
            return list(bearer(self.server.tokens[who, kind]).items())
        if form in ("password", "basic_token"):
            secret = (self.server.password(who) if form == "password"
                      else whole)
            return list(basic(who if form == "password" else "x",
                              secret).items())
        if form == "user_token":
            return list(basic(whole, "").items())
        if form == "wrong_password":
            # Each name once: several in a row would be locked.
            return list(basic(f"nobody{next(UNIQUE)}", "wrong").items())
        last = "0" if whole[20] != "0" else "1"
        return [("Authorization", {
            "raw": whole, "token": f"Token {whole}",
            "malformed": f"Digest {whole}",
            "forged": f"Bearer {whole[:20]}{last}{whole[21:]}"}[form])]

    # Things

    def things(self, label, name, place, may):
        """What the request names; made anew where it will be changed."""
        found = {"tag": "v1" if place == "here" else "v0",
                 "manifest": SEEN.digest if place == "here" else ABSENT,
                 "blob": oci.digest(BLOB) if place == "here" else ABSENT}
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
            found["blob"] = self.make_blob("hidden/a")
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
        return name, self.send(method, target, headers, body)

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
                place == "absent" and label.startswith("tags"))
            good = {here if there else absent}
            if label == "mount hidden" and who == "root" and form in UNLIMITED:
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
        _, who, form, *_ = cell
        for name in answer.json()["repositories"]:
            # What is listed needs a right, never a token's scope.
            if who != "root" and expected(
                    who, "password" if form == "access" else form, "pull",
                    name) != OK:
                self.differ(cell, heat, f"no {name} in it", answer)

    def differ(self, cell, heat, want, answer, text=""):
        self.differences.append(
            f"{cell} {heat}: wanted {want}, got {answer.status} "
            f"{text or answer.body[:200]}")


@pytest.fixture(scope="module")
def guarded():
    with Authorized() as server:
        yield server


def run_all(server, cells, work, policy=True):
    """`work(prober, cell)` in a few threads; (differences, requests)."""
    differences, answers, errors = [], {}, []
    probers = [Prober(server, differences, answers) for _ in range(THREADS)]

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


SERVED = ("tag get", "tag head", "manifest get", "manifest head", "blob get",
          "blob range", "blob head")


def test_matrix_without_the_daemon(guarded):
    """What was granted and is warm goes on; nothing more than that."""
    cells = chosen((cell for cell in every_cell()
                    if cell[0] in SERVED and cell[4] == "here"
                    and cell[5] in SAME and cell[2] not in UNKNOWN), 250)
    tokens = {}

    def warm(prober, cell):
        prober.access = tokens
        prober.probe(cell)
    differences, _ = run_all(guarded, cells, warm, policy=False)
    assert not differences, "\n".join(differences[:40])
    counts = {}

    def without(prober, cell):
        prober.access = tokens
        label, who, form, name, *_ = cell
        _, answer = prober.request(cell)
        if expected(who, form, "pull", name) == OK:
            good = {OPERATIONS[label][3]}
        else:
            good = {401, 403, 503}
        counts[answer.status] = counts.get(answer.status, 0) + 1
        if answer.status not in good:
            prober.differ(cell, "without", good, answer)
    guarded.pause_daemon()
    try:
        differences, _ = run_all(guarded, cells, without, policy=False)
    finally:
        guarded.resume_daemon()
    wait_until(guarded.daemon_answers, what="the daemon is back")
    print(f"{len(cells)} cells without the daemon: {counts}")
    assert not differences, "\n".join(differences[:40])
