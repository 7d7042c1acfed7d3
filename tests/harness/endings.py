"""A registry that is ended at a point of its programs (harness.probes), and
what must hold afterwards: docs/durability.md, "Ends at any point"."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time

from . import http, oci, probes
from .process import alive, wait_until
from .server import BUILD, DAEMON, Registry

DAY = 86_400
MODULE = BUILD / "ngx_http_registry_module.so"
CTL = BUILD / "registryctl"
PATIENCE = 12  # seconds
KNOWN = 8  # of what was kept, looked at after each ending

NOTHING, WHOLE = "nothing", "whole"  # what a client may find


class Lost(Exception):
    """No answer came, or one that tells the client to come again."""


def want(answer, *statuses):
    """The answer, if it has one of the statuses."""
    if answer.status == 503:
        raise Lost(answer.body)
    assert answer.status in statuses, (answer.status, answer.body)
    return answer


class Operation:
    """What a client does, as often as it takes."""
    # What is pushed and referred to by nothing may go with its lease.
    referred = True
    lasting = True

    def __init__(self, life, number):
        self.life = life
        self.server = life.server
        self.number = number
        self.body = os.urandom(3000)
        self.repo = oci.Repository(life.server, f"ends/{number}")
        self.lost = False  # the client does it again
        self.prepare()

    def prepare(self):
        """What has to be there before."""

    def do(self):
        """The requests; raises Lost, and is then called again."""
        raise NotImplementedError

    def again(self):
        """Time goes on before the client comes again."""

    def look(self):
        """NOTHING or WHOLE, or raises."""
        raise NotImplementedError

    def call(self, request, *statuses):
        try:
            return want(request(), *statuses)
        except (OSError, http.Closed) as error:
            raise Lost(str(error)) from error

    def blob(self, body=None):
        """Of the repository, by its digest."""
        body = self.body if body is None else body
        answer = self.repo.get_blob(oci.digest(body))
        if answer.status == 404:
            return NOTHING
        assert answer.status == 200 and answer.body == body, answer
        return WHOLE


class Life:
    """Both servers, one worker, and what clients were told."""

    def __init__(self):
        resource.setrlimit(resource.RLIMIT_CORE, (
            0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        self.server = self.make_server("gc_interval_s = 0\n")
        self.server.allow_log(r"exited on signal 5|\[crit\].*d\.sock")
        self.server.allow_log(r"\[alert\].*(shared memory zone|open socket)")
        self.kept = []
        self.took = {}
        self.count = 0
        self.programs = {}
        self.armed = False

    def make_server(self, settings):
        return Registry(workers=1, daemon_config=settings)

    def fill(self):
        """What works() looks at."""
        self.base = oci.Repository(self.server, "base/image")
        self.image = oci.make_image([os.urandom(5000)])
        self.base.push(self.image, "latest")

    def __enter__(self):
        self.server.__enter__()
        self.fill()
        return self

    def __exit__(self, *what):
        return self.server.__exit__(*what)

    def program(self, process):
        """"worker", "daemon" or "ctl"."""
        if process not in self.programs:
            path = {"worker": MODULE, "daemon": DAEMON, "ctl": CTL}[process]
            self.programs[process] = probes.Program(path)
        return self.programs[process]

    # What is asked of the servers

    def works(self):
        """Reads and writes do; what was there is there."""
        try:
            return (self.base.get_manifest("latest").body
                    == self.image.manifest
                    and self.base.tags().status == 200
                    and self._can_write())
        except (OSError, http.Closed):
            return False

    def _can_write(self):
        begun = self.base.start_upload()
        if begun.status != 202:
            return False
        return self.base.cancel(begun.headers["Location"]).status == 204

    def ctl(self, *words, status=0, program=CTL):
        done = subprocess.run(
            [program, "--root", self.server.root, "--json", *words],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def sql(self, statement, *values):
        path = self.server.root / "db" / "longshore.sqlite"
        database = sqlite3.connect(path, timeout=30)
        with database:
            rows = database.execute(statement, values).fetchall()
        database.close()
        return rows

    # Endings

    def make(self, kind):
        """A new operation; after a test that failed on servers that run."""
        if self.armed:
            self.server.stop_daemon(signal.SIGKILL)
            self.server.start_daemon()
        self.armed = True  # until the test has ended well
        if self.server.nginx.poll() is not None:
            self.server.start_nginx()
        wait_until(self.works, what="the servers work")
        self.count += 1
        return kind(self, self.count)

    def attempt(self, operation):
        """True if the client was told that it is done."""
        try:
            operation.do()
            return True
        except Lost:
            operation.lost = True
            return False

    def end_worker(self, name, operation, master=False):
        """A worker comes to the point; with `master` the whole nginx ends."""
        server = self.server
        pid, = server.worker_pids()
        self.program("worker").arm(pid, name)
        if master:
            server.nginx.kill()
            server.nginx.wait()
        told = self.attempt(operation)
        wait_until(lambda: not alive(pid), PATIENCE, 0.002,
                   f"the worker comes to {name}")
        start = time.monotonic()
        if master:
            server.start_nginx()
        wait_until(self.works, pause=0.005, what=f"works after {name}")
        took = time.monotonic() - start
        if not master:
            line = f"worker process {pid} exited on signal 5"
            assert line in server.error_log.read_text(), name
        self.settle(name, operation, told, took)

    def end_daemon(self, name, operation):
        self.program("daemon").arm(self.server.daemon_pid, name)
        told = self.attempt(operation)
        self.wait_trapped(self.server.daemon, name)
        self.start_again(name, operation, told)

    def end_at_start(self, name, operation):
        """The daemon comes to the point while it starts."""
        told = self.attempt(operation)
        self.server.stop_daemon(signal.SIGKILL)
        operation.between()
        path = self.trapped("daemon", DAEMON, name)
        self.server.start_daemon(path)
        self.wait_trapped(self.server.daemon, name)
        self.start_again(name, operation, told)

    def trapped(self, process, path, name):
        """A copy of a program, as packages install it, with a trap."""
        small = self.server.dir / process
        if not small.exists():
            probes.without_debugging(path, small)
            self.programs[small] = probes.Program(small)
        return self.programs[small].trapped_copy(
            name, self.server.dir / f"{process}.trapped")

    @staticmethod
    def wait_trapped(process, name):
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"nothing comes to {name}") from None
        assert code == -signal.SIGTRAP, (name, code)

    def start_again(self, name, operation, told):
        start = time.monotonic()
        self.server.start_daemon()
        wait_until(self.works, pause=0.005, what=f"works after {name}")
        self.settle(name, operation, told, time.monotonic() - start)

    # What must hold

    def settle(self, name, operation, told, took):
        """The contract, after an ending."""
        self.took[name] = took
        found = operation.look()
        assert found in (WHOLE, NOTHING), found
        assert found == WHOLE or not told, f"{name}: acknowledged and lost"
        self.check_kept()
        self.verify()
        if not told:
            operation.again()
            # A machine that is busy may tell a client to come once more.
            wait_until(lambda: self.attempt(operation), what="done at last")
            assert operation.look() == WHOLE, name
            self.verify()
        if operation.lasting:
            self.kept.append(operation)
        self.armed = False

    def check_kept(self, all=False):
        for operation in self.kept if all else self.kept[-KNOWN:]:
            assert operation.look() == WHOLE, operation

    def verify(self):
        report = self.ctl("verify")
        assert report["differences"] == [], report

    def sweep(self):
        """What the next day takes away; nothing may be left over then."""
        self.check_kept(all=True)
        root = self.server.root
        self.server.stop_daemon()
        self.age(root, 40)
        self.server.start_daemon()
        wait_until(self.works, what="works after the sweep")
        self.ctl("gc", "run", "--deep")
        for folder in ("docker/registry/v2/blobs", "trash"):
            self.age(root / folder, 40)
            report = self.ctl("gc", "run", "--deep")
            assert report.get("state", "done") == "done", report
        self.verify()
        for operation in self.kept:
            if operation.referred:
                assert operation.look() == WHOLE, operation
        wait_until(lambda: self.leftovers() == [], 15,
                   what=f"nothing left over: {self.leftovers()}")

    def age(self, folder, days):
        then = time.time() - days * DAY
        for path in [folder, *folder.rglob("*")]:
            if "db" not in path.relative_to(self.server.root).parts:
                try:
                    os.utime(path, (then, then), follow_symlinks=False)
                except FileNotFoundError:
                    pass

    def leftovers(self):
        """Files that belong to nothing."""
        root = self.server.root
        found = [*(root / "spool").iterdir(),
                 *(path for path in (root / "trash").rglob("*")
                   if path != root / "trash/blobs"),
                 *(root / "uploads").glob("*/*"),
                 *(root / "docker").rglob("_uploads/*")]
        known = {digest for digest, in self.sql(
            "SELECT digest FROM documents UNION"
            " SELECT digest FROM document_leftovers")}
        found += [path for path in (root / "documents").rglob("*")
                  if path.is_file() and f"sha256:{path.name}" not in known]
        stored = {digest for digest, in self.sql("SELECT digest FROM blobs")}
        found += [path for path in (root / "docker").rglob("blobs/*/*/*")
                  if f"{path.parts[-3]}:{path.name}" not in stored]
        found += [path for path in (root / "keys").rglob("*")
                  if path.is_file() and path.name not in (
                      "token.pub", "setup", "clock", "signing.key")
                  and path.suffix != ".key"]
        return sorted(str(path.relative_to(root)) for path in found)
