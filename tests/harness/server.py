"""The servers of the suites: ours (registryd + nginx) and docker-registry.

Both offer the same face: url, host, port, root, tls, error_log, start(),
stop(). A server writes only below its own temporary directory and ends with
the test. At the end its logs must hold no alert, crash or sanitizer report.
"""

import os
import re
import shutil
import signal
import tempfile
import textwrap
from pathlib import Path

from . import http
from .ports import free_port, listens
from .process import (alive, children, end, run, start, threads_stopped,
                      title, wait_until)

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LONGSHORE_BUILD", TREE / "build"))
DAEMON = Path(os.environ.get("LONGSHORE_DAEMON", BUILD / "registryd"))
NGINX = os.environ.get("LONGSHORE_NGINX", "/usr/sbin/nginx")
DOCKER_REGISTRY = "/usr/bin/docker-registry"

# With LONGSHORE_STAND_IN=1 the suites run against docker-registry.
STAND_IN = os.environ.get("LONGSHORE_STAND_IN", "") not in ("", "0")

STATUS = "/harness/status"  # of our server, beside what the test asks for

# What must never be in a log unless the test said that it will be.
BAD_LOG = re.compile(
    r"\[(alert|crit|emerg)\]|AddressSanitizer|ThreadSanitizer|LeakSanitizer"
    r"|runtime error|terminate called|panic: ")


class BadLog(AssertionError):
    """A server's logs hold what none may."""


class Server:
    """What our registry and the stand-in have in common."""

    def __init__(self, root=None, tls=False, keep_root=False):
        self.host = "127.0.0.1"
        self.port = 0
        self.dir = Path(tempfile.mkdtemp(prefix="longshore-"))
        self.keep_root = keep_root or root is not None
        self.root = Path(root) if root else self.dir / "data"
        self.root.mkdir(parents=True, exist_ok=True)
        self.error_log = self.dir / "error.log"
        self.tls = make_certificate(self.dir) if tls else None
        self.allowed = []
        self.started = False

    @property
    def scheme(self):
        return "https" if self.tls else "http"

    @property
    def address(self):
        """host:port, as clients write it before an image's name."""
        return f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"{self.scheme}://{self.address}"

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, _):
        try:
            self.close(check=kind is not KeyboardInterrupt)
        except BadLog as bad:
            # Never hidden behind what the test itself saw of it.
            raise bad from error

    def allow_log(self, pattern):
        """The test expects lines with this pattern among the bad ones."""
        self.allowed.append(re.compile(pattern))

    def answers(self):
        """True if `GET /v2/` gets 200, or 401 where a login is asked."""
        try:
            return http.request(self, "GET", "/v2/",
                                timeout=5).status in (200, 401)
        except (OSError, http.Closed):
            return False

    def start(self):
        """Starts on a free port; one lost to another is tried again."""
        for attempt in range(5):
            self.port = free_port()
            self._launch()
            try:
                wait_until(self._up, what=f"{type(self).__name__} up")
                self.started = True
                return self
            except Exception as error:
                self.stop()
                log = self.logs()
                if "address already in use" in log.lower() and attempt < 4:
                    # What the lost attempt said is none of the next one's.
                    for path in self.log_paths():
                        path.write_text("")
                    continue
                if not os.environ.get("LONGSHORE_KEEP"):
                    shutil.rmtree(self.dir, ignore_errors=True)
                raise AssertionError(f"{error}\n{log[-6000:]}") from error
        raise AssertionError("no free port")

    def listener(self):
        """The process that holds the listening socket; None: not asked."""
        return None

    def _up(self):
        """It answers, and not somebody else in its place."""
        self._check_running()
        pid = self.listener()
        return (pid is None or listens(pid, self.port)) and self.answers()

    def log_paths(self):
        return sorted(self.error_log.parent.glob("*.log"))

    def logs(self):
        out = ""
        for path in self.log_paths():
            if path.name != "access.log":
                out += f"== {path.name}\n{path.read_text(errors='replace')}"
        return out

    def bad_log_lines(self):
        return [line for line in self.logs().splitlines()
                if BAD_LOG.search(line)
                and not any(p.search(line) for p in self.allowed)]

    def close(self, check=True):
        """Stops, checks the logs, removes what was written."""
        self.stop()
        bad = self.bad_log_lines()
        if os.environ.get("LONGSHORE_KEEP"):
            print(f"kept: {self.dir}")
        else:
            logs = self.logs() if bad else ""
            shutil.rmtree(self.dir, ignore_errors=True)
        if check and bad:
            if not os.environ.get("LONGSHORE_KEEP"):
                print(logs[-6000:])
            raise BadLog("logs hold:\n" + "\n".join(bad[:20]))


class Registry(Server):
    """registryd and nginx with the module, from the build directory.

    `http_directives` and `server_directives` are lines of nginx.conf,
    `location_directives` go beside `registry on`, `daemon_config` is the
    text of registryd's configuration file, `daemon_options` follow the
    endpoint in nginx.conf, `locations` are whole blocks.
    """

    def __init__(self, root=None, workers=2, tls=False, http2=None,
                 http_directives="", server_directives="",
                 location_directives="", locations="", daemon_config=None,
                 main_directives="", events_directives="", zone="test:16m",
                 daemon_arguments=(), daemon_options="", keep_root=False,
                 log_level="info"):
        super().__init__(root, tls, keep_root)
        self.workers = workers
        self.http2 = bool(tls) if http2 is None else http2
        self.http_directives = http_directives
        self.server_directives = server_directives
        self.location_directives = location_directives
        self.locations = locations
        self.main_directives = main_directives
        self.events_directives = events_directives
        self.zone = zone
        self.log_level = log_level
        self.daemon_config = daemon_config
        self.daemon_arguments = list(daemon_arguments)
        self.daemon_options = daemon_options
        self.socket = self.dir / "d.sock"
        self.conf = self.dir / "nginx.conf"
        self.access_log = self.dir / "access.log"
        self.daemon = None
        self.nginx = None

    # Paths and pids

    @property
    def endpoint(self):
        return f"ipc://{self.socket}"

    @property
    def daemon_pid(self):
        return self.daemon.pid

    @property
    def nginx_pid(self):
        return self.nginx.pid

    def worker_pids(self):
        return [pid for pid in children(self.nginx.pid)
                if title(pid).startswith("nginx: worker process")]

    # Life

    def start(self):
        """Returns when every worker has the daemon, if there is one: a worker
        that meets it empties the zone."""
        super().start()
        if self.daemon is not None:
            wait_until(lambda: self._connected() in (None, self.workers),
                       what="all workers connected")
        return self

    def _numbers(self):
        """registry_status; nothing where the test's nginx refuses it."""
        try:
            answer = http.request(self, "GET", STATUS, timeout=5)
            return answer.json() if answer.status == 200 else {}
        except (OSError, http.Closed):
            return {"daemon_connected": 0, "daemon_downs": 0}

    def _connected(self):
        return self._numbers().get("daemon_connected")

    def _launch(self):
        self.write_conf()
        self.start_daemon()
        self.start_nginx()

    def _check_running(self):
        if self.daemon is not None and self.daemon.poll() is not None:
            raise AssertionError(f"registryd ended: {self.daemon.returncode}")
        if self.nginx.poll() is not None:
            raise AssertionError(f"nginx ended: {self.nginx.returncode}")

    def listener(self):
        return self.nginx.pid

    def start_daemon(self, program=None):
        program = program or DAEMON
        if not program.exists():
            raise AssertionError(f"{program} is not built")
        path = self.dir / "registryd.conf"
        path.write_text(open_unless_said(self.daemon_config))
        command = [program, "--config", path, "--root", self.root,
                   "--listen", self.endpoint]
        command += self.daemon_arguments
        self.daemon = start(command, self.dir / "daemon.log",
                            self.environment("registryd"))

    def environment(self, program):
        return environment(program)

    def start_nginx(self):
        self.nginx = start(
            [NGINX, "-p", self.dir, "-c", self.conf, "-e", self.error_log],
            self.dir / "nginx.log", self.environment("nginx"))

    def stop(self):
        self.stop_nginx()
        self.stop_daemon()

    def stop_nginx(self, sig=signal.SIGTERM):
        end(self.nginx, sig)

    def stop_daemon(self, sig=signal.SIGTERM):
        end(self.daemon, sig)

    def restart_daemon(self, sig=signal.SIGTERM, wait=True):
        """Ends the daemon with `sig` and starts it again; returns when all
        workers have noticed both, and it answers."""
        before = self._numbers() if wait else {}
        self.stop_daemon(sig)
        self.start_daemon()
        if not wait:
            return
        downs = before.get("daemon_downs", 0) + min(
            before.get("daemon_connected", 0), self.workers)

        def noticed():
            now = self._numbers()
            return not before or (now.get("daemon_downs", 0) >= downs and
                                  now["daemon_connected"] >= self.workers)
        wait_until(noticed, what="the workers have the new daemon")
        wait_until(self.daemon_answers, what="daemon is back")

    def daemon_answers(self):
        """A question that only the daemon can answer gets its answer."""
        try:
            path = "/v2/longshore/probe/tags/list"
            return http.request(self, "GET", path,
                                timeout=5).status in (200, 401, 404)
        except (OSError, http.Closed):
            return False

    def pause_daemon(self):
        """Returns when every thread stands: a signal takes its time."""
        os.kill(self.daemon.pid, signal.SIGSTOP)
        wait_until(lambda: threads_stopped(self.daemon.pid), pause=0.001,
                   what="daemon stopped")

    def resume_daemon(self):
        os.kill(self.daemon.pid, signal.SIGCONT)

    def restart_nginx(self, sig=signal.SIGTERM):
        """Ends nginx with `sig` (workers too) and starts it again."""
        workers = children(self.nginx.pid)
        self.stop_nginx(sig)
        if sig == signal.SIGKILL:
            for pid in workers:
                _kill(pid)
        wait_until(lambda: not any(alive(p) for p in workers),
                   what="workers gone")
        self.start_nginx()
        wait_until(self._up, what="nginx is back")

    def reload(self, wait_old=False):
        """SIGHUP; returns when all workers are new ones.

        `wait_old`: also when the old ones, which may still serve, ended.
        """
        old = set(self.worker_pids())
        os.kill(self.nginx.pid, signal.SIGHUP)

        def renewed():
            self._check_running()
            new = set(self.worker_pids()) - old
            return len(new) >= self.workers
        wait_until(renewed, what="new workers")
        if wait_old:
            wait_until(lambda: not any(alive(p) for p in old), 60,
                       what="old workers gone")
        wait_until(self._up, what="up after reload")

    def kill_worker(self, pid=None, sig=signal.SIGKILL):
        """Ends one worker (the first one) at once; the master replaces it."""
        before = self.worker_pids()
        pid = pid or before[0]
        self.allow_log(rf"worker process {pid} exited on signal")
        _kill(pid, sig)
        wait_until(lambda: not alive(pid)
                   and len(self.worker_pids()) >= len(before),
                   what="worker replaced")
        return pid

    def test_conf(self):
        """`nginx -t` on the configuration; (exit code, what it said)."""
        self.write_conf()
        done = run(NGINX, "-t", "-p", self.dir, "-c", self.conf, "-e",
                   "stderr", check=False, env=environment("nginx"))
        return done.returncode, done.stdout

    def write_conf(self):
        self.conf.write_text(self.conf_text())

    def conf_text(self):
        listen = f"{self.host}:{self.port or 80}"
        certificate = ""
        if self.tls:
            listen += " ssl"
            certificate = (f"ssl_certificate {self.dir}/server.pem;"
                           f" ssl_certificate_key {self.dir}/server.key;")
        if self.http2:
            listen += " http2"
        module = BUILD / "ngx_http_registry_module.so"
        paths = "\n".join(
            f"{name}_temp_path {self.dir}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        registry_auth = "" if "registry_auth" in self.http_directives else \
            "registry_auth off;"
        return f"""\
daemon off;
user root;
worker_processes {self.workers};
load_module {module};
pid {self.dir}/nginx.pid;
error_log {self.error_log} {self.log_level};
{self.main_directives}
events {{
    worker_connections 4096;
    {self.events_directives}
}}
http {{
    sendfile on;
    access_log {self.access_log};
    {paths}
    registry_root {self.root};
    registry_daemon {self.endpoint} {self.daemon_options};
    registry_zone {self.zone};
    {registry_auth}
    {self.http_directives}
    server {{
        listen {listen};
        {certificate}
        {self.server_directives}
        location / {{
            registry on;
            {self.location_directives}
        }}
        location = {STATUS} {{ registry_status json; }}
        {self.locations}
    }}
}}
"""


def open_unless_said(daemon_config):
    """Settings of registryd in which whoever comes may do everything, unless
    they say otherwise."""
    text = textwrap.dedent(daemon_config or "")
    if not re.search(r"^auth *=", text, re.M):
        text += '\nauth = "off"\n'
    return text


class MakeRun(Server):
    """`make run` without its build step: the configuration users start with,
    but open unless `auth` is "on"."""

    def __init__(self, auth="off", **arguments):
        super().__init__(**arguments)
        self.auth = auth
        self.error_log = self.root / "run" / "error.log"
        self.output = self.dir / "output"
        self.process = None

    def _launch(self):
        env = {**os.environ, "PORT": str(self.port), "DATA": str(self.root),
               "BUILD": str(BUILD), "AUTH": self.auth}
        self.process = start([TREE / "tools" / "run"], self.output, env)

    def _check_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"tools/run ended: {self.output.read_text()}")

    def listener(self):
        try:
            return int((self.root / "run/nginx.pid").read_text())
        except (FileNotFoundError, ValueError):
            return self.process.pid  # not started yet: it listens on nothing

    def stop(self):
        end(self.process, seconds=120)


class DistributionRegistry(Server):
    """Debian's docker-registry: peer of takeover tests, and stand-in."""

    def __init__(self, root=None, tls=False, keep_root=False, **_):
        super().__init__(root, tls, keep_root)
        self.process = None

    def _launch(self):
        config = self.dir / "config.yml"
        config.write_text(f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {self.root}}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: {self.address}
  headers: {{X-Content-Type-Options: [nosniff]}}
{self._tls()}""")
        self.process = start(
            [DOCKER_REGISTRY, "serve", config], self.error_log,
            {**os.environ, "OTEL_TRACES_EXPORTER": "none"})

    def _tls(self):
        if not self.tls:
            return ""
        return (f"  tls: {{certificate: {self.dir}/server.pem, "
                f"key: {self.dir}/server.key}}\n")

    def _check_running(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"docker-registry ended: {self.process.returncode}")

    def listener(self):
        return self.process.pid

    def stop(self):
        end(self.process)


def server_class():
    """The server under test: ours, or the stand-in."""
    return DistributionRegistry if STAND_IN else Registry


def make_certificate(folder):
    """A self-signed certificate for 127.0.0.1; the path of the file."""
    path = Path(folder) / "server.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
        "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout",
        Path(folder) / "server.key", "-out", path)
    return str(path)


def environment(program=""):
    """The programs' environment; sanitizers of our builds report loudly."""
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    if program == "nginx" and os.environ.get("LONGSHORE_PRELOAD"):
        # A module built with ASan needs its run time in Debian's nginx.
        env["LD_PRELOAD"] = os.environ["LONGSHORE_PRELOAD"]
    return env


def _kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass
