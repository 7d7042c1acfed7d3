"""The servers under comparison, each a subclass of what the tests use.

All run on the loopback with the same number of nginx workers, the same nginx
settings where both are nginx, no access log, and data on one file system.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

from harness.process import end
from harness.server import (BUILD, DOCKER_REGISTRY, NGINX, DistributionRegistry,
                            Registry, Server)

from . import catalog, client, procstat
from .content import MANIFEST_TYPE

# One text for both nginx: what is compared is the module, not the settings.
# `sendfile on` is in both as well; the harness of ours writes it.
PLAIN_DIRECTIVES = """\
tcp_nopush on;
tcp_nodelay on;
keepalive_timeout 3600s;
keepalive_requests 1000000000;
"""
HTTP_DIRECTIVES = PLAIN_DIRECTIVES + """\
open_file_cache max=10000 inactive=600s;
open_file_cache_valid 600s;
open_file_cache_min_uses 1;
"""
# By default the daemon logs every write.
DAEMON_SETTINGS = 'log_level = "error"\n'
WORKER_CONNECTIONS = 4096  # as in the harness


class Measured:
    """Mixed into each server: what the rows need beside start and stop."""

    name = ""
    title = ""
    login = None  # header fields of who fills it
    # Styles of `bench_load push` that this server can be asked for.
    dav = False

    def processes(self):
        """Every process of the server, workers included."""
        pids = [pid for top in self.tops() for pid in procstat.tree(top)]
        if not pids:
            raise client.Wrong("the server is not running")
        return pids

    def alive(self):
        try:
            self._check_running()
            return True
        except AssertionError:
            return False

    def launch(self):
        """Starts and returns the seconds until the first answer."""
        begun = time.monotonic()
        self.start()
        return time.monotonic() - begun

    def fill(self, content):
        for blob in content.blobs.values():
            client.push_blob(self.port, content.repository, blob,
                             self.login)
        client.push_manifest(self.port, content, self.login)

    def path_of(self, digest):
        """The file of a pushed blob."""
        name = digest.partition(":")[2]
        return (self.root / "docker/registry/v2/blobs/sha256" / name[:2] /
                name / "data")

    def forget(self, digests):
        """Gives the room of pushed blobs back, behind the server's back:
        nobody asks for them again. Cut first, as somebody may have the file
        open still."""
        for digest in digests:
            path = self.path_of(digest)
            if path.exists():
                os.truncate(path, 0)
                path.unlink()

    def memory_hits(self):
        """Answers that came from the server's memory, where it counts
        them."""
        return 0

    def credential(self, form):
        """Header fields that ask as somebody, by a form's name; {} where
        nobody logs in."""
        return {}

    def settings(self):
        return ""


class Ours(Measured, Registry):
    name = "ours"
    title = "longshore (registryd + nginx with the module)"

    def __init__(self, root, workers):
        super().__init__(root=root, workers=workers, log_level="error",
                         http_directives=HTTP_DIRECTIVES, zone="bench:64m",
                         daemon_config=DAEMON_SETTINGS)
        self.access_log = "off"
        # A socket's path has room for 107 characters; --data may be long.
        self.short = Path(tempfile.mkdtemp(prefix="lsb-", dir="/tmp"))
        self.socket = self.short / "d.sock"

    def close(self, check=True):
        super().close(check)
        shutil.rmtree(self.short, ignore_errors=True)

    def tops(self):
        return [self.daemon.pid, self.nginx.pid]

    def settings(self):
        text = self.conf_text().replace(str(self.short), "SOCKETS")
        return f"{text}\n# registryd.conf\n{self.daemon_config}"


class OpenOurs(Ours):
    """The other side of the rows with a login."""

    name = "open"
    title = "longshore, registry_auth and auth off"


class GuardedOurs(Ours):
    """Nobody gets anything without a login; a reader pulls."""

    title = "longshore, registry_auth and auth on"
    password = "measured again and again"

    def __init__(self, root, workers):
        super().__init__(root, workers)
        self.location_directives = "registry_auth on;"
        self.daemon_config += 'auth = "on"\n'
        self.locations = "location = /status { registry_status json; }"
        self.login = self._basic("writer", self.password)
        self.token = ""

    def fill(self, content):
        self._control("setup", "writer", "--password-stdin")
        self._control("user", "add", "reader", "--password-stdin")
        self._control("grant", "add", "reader", content.repository, "pull")
        self.token = self._control("token", "create", "reader").strip()
        self.repository = content.repository
        self._await_login()
        super().fill(content)

    def credential(self, form):
        if form == "access token":
            # Good for five minutes: a new one for each run.
            status, _, body = client.request(
                self.port, "GET", "/-/token?service=registry&scope="
                f"repository:{self.repository}:pull",
                headers=self._basic("reader", self.password))
            client.want(status, 200, "GET of an access token")
            return {"Authorization": f"Bearer {json.loads(body)['token']}"}
        return {"API token, Bearer": {"Authorization":
                                      f"Bearer {self.token}"},
                "API token, Basic": self._basic("reader", self.token)}[form]

    def questions(self):
        """How many nginx has asked registryd."""
        status, _, body = client.request(self.port, "GET", "/status")
        client.want(status, 200, "GET /status")
        return json.loads(body)["daemon_questions"]

    @staticmethod
    def _basic(name, secret):
        text = base64.b64encode(f"{name}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {text}"}

    def _control(self, *words):
        return subprocess.run(
            [BUILD / "registryctl", "--root", self.root, *words], check=True,
            input=self.password, capture_output=True, text=True,
            timeout=60).stdout

    def _await_login(self):
        until = time.monotonic() + 20
        while client.request(self.port, "GET", "/v2/",
                             headers=self.login)[0] != 200:
            if time.monotonic() > until:
                raise client.Wrong("the accounts are not known")
            time.sleep(0.05)


class StaticNginx(Measured, Server):
    name = "static"
    title = "static nginx (sendfile, open_file_cache, return 200, dav PUT)"
    dav = True
    directives = HTTP_DIRECTIVES

    def __init__(self, root, workers):
        super().__init__(root=root)
        self.workers = workers
        self.nginx = None
        self.content = None

    def fill(self, content):
        """Blobs become files under the URL a registry has for them; the
        manifests are in the configuration of the next start."""
        self.content = content
        folder = self.root / "v2" / content.repository / "blobs"
        folder.mkdir(parents=True)
        for blob in content.blobs.values():
            (folder / blob.digest).write_bytes(blob.data())

    def path_of(self, digest):
        return self.root / "dav" / digest

    def _places(self):
        """What `location` says of the manifests."""
        base = f"/v2/{self.content.repository}/manifests"
        return [f"= {base}/{reference}" for reference in
                (self.content.tag, self.content.manifest_digest)]

    def _manifest_locations(self):
        if self.content is None:
            return ""
        body = self.content.manifest.decode()
        if "'" in body or "$" in body or "\\" in body:
            raise AssertionError("the manifest cannot be quoted for nginx")
        return "\n".join(
            f"location {place} {{\n"
            f"    default_type {MANIFEST_TYPE};\n"
            f"    return 200 '{body}';\n}}" for place in self._places())

    def settings(self):
        user = "user root;" if os.geteuid() == 0 else ""
        paths = "\n".join(
            f"{name}_temp_path {self.dir}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""\
daemon off;
{user}
worker_processes {self.workers};
pid {self.dir}/nginx.pid;
error_log {self.error_log} error;
events {{ worker_connections {WORKER_CONNECTIONS}; }}
http {{
access_log off;
{paths}
sendfile on;
{self.directives}
server {{
    listen {self.host}:{self.port};
    root {self.root};
    default_type application/octet-stream;
    location = /v2/ {{ return 200 '{{}}'; }}
    {textwrap.indent(self._manifest_locations(), "    ").strip()}
    location /dav/ {{
        dav_methods PUT;
        create_full_put_path on;
        client_max_body_size 0;
        client_body_buffer_size 1m;
    }}
}}
}}
"""

    def _launch(self):
        conf = self.dir / "nginx.conf"
        conf.write_text(self.settings())
        with open(self.dir / "nginx.log", "ab") as log:
            self.nginx = subprocess.Popen(
                [NGINX, "-p", self.dir, "-c", conf, "-e", self.error_log],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _check_running(self):
        if self.nginx.poll() is not None:
            raise AssertionError(f"nginx ended: {self.nginx.returncode}")

    def listener(self):
        return self.nginx.pid

    def stop(self):
        end(self.nginx)

    def tops(self):
        return [self.nginx.pid]


class PlainNginx(StaticNginx):
    name = "plain"
    title = "static nginx without open_file_cache"
    directives = PLAIN_DIRECTIVES


class DockerRegistry(Measured, DistributionRegistry):
    name = "registry"
    title = "Debian's docker-registry (in-memory descriptor cache)"

    def __init__(self, root, workers):
        super().__init__(root=root)
        self.workers = workers

    def settings(self):
        return f"""\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {self.root}}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: {self.address}}}
"""

    def _launch(self):
        config = self.dir / "config.yml"
        config.write_text(self.settings())
        with open(self.error_log, "ab") as log:
            self.process = subprocess.Popen(
                [DOCKER_REGISTRY, "serve", config], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})

    def tops(self):
        return [self.process.pid]


class CatalogOurs(Ours):
    """On a tree that was made with its database, which lies elsewhere; its
    zone holds a small part of the manifests."""

    def __init__(self, root, workers, database):
        super().__init__(root, workers)
        self.zone = "bench:4m"
        self.daemon_config += f'database = "{database}"\n'
        self.locations = "location = /status { registry_status json; }"

    def memory_hits(self):
        status, _, body = client.request(self.port, "GET", "/status")
        client.want(status, 200, "GET /status")
        return json.loads(body)["cache_hits"]


class CatalogStatic(StaticNginx):
    """`return 200` of a manifest's size for every manifest of the tree."""

    def _places(self):
        return [catalog.PREFIX]


KINDS = {kind.name: kind for kind in (Ours, StaticNginx, PlainNginx,
                                      DockerRegistry)}
