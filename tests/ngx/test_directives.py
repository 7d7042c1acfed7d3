"""Directives: what `nginx -t` says about wrong and harmful configurations."""

import re

import pytest

from harness.process import run
from harness.server import BUILD, NGINX, environment

pytestmark = pytest.mark.ours


class Conf:
    """A configuration of three levels in a directory of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "data"
        self.root.mkdir()
        (folder / "file").write_text("not a directory")

    def test(self, main="", http="", server="", location="registry on;",
             after="", defaults=True):
        """(exit code, the lines that nginx -t says)."""
        if defaults:
            http = (f"registry_root {self.root}; sendfile on;"
                    f" registry_daemon ipc://{self.folder}/d.sock;\n{http}")
        text = f"""\
user root;
load_module {BUILD}/ngx_http_registry_module.so;
pid {self.folder}/nginx.pid;
error_log stderr;
{main}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:5999;
        {server}
        location / {{
            {location}
        }}
    }}
    {after}
}}
""".replace("@DIR@", str(self.folder))
        path = self.folder / "nginx.conf"
        path.write_text(text)
        done = run(NGINX, "-t", "-p", self.folder, "-c", path, "-e", "stderr",
                   check=False, env=environment("nginx"))
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def conf(tmp_path):
    return Conf(tmp_path)


LONG = "/" + "x" * 500

# Where, the line, what one emerg line must say.
WRONG = [
    ("location", "registry;", 'invalid number of arguments in "registry"'),
    ("location", "registry yes;",
     'invalid value "yes" in "registry" directive, it must be "on" or "off"'),
    ("location", "registry on off;",
     'invalid number of arguments in "registry"'),
    ("location", "registry on; registry on;",
     '"registry" directive is duplicate'),
    ("http", "registry on;", '"registry" directive is not allowed here'),
    ("location", "registry_auth;",
     'invalid number of arguments in "registry_auth"'),
    ("location", "registry_auth yes;",
     'invalid value "yes" in "registry_auth" directive, it must be "on" or'
     ' "off"'),
    ("location", "registry_auth off service=a;",
     'invalid value "service=a" in "registry_auth" directive, it must be'
     ' absent after "off"'),
    ("location", "registry_auth on service=;",
     'invalid value "service=" in "registry_auth" directive, it must be'
     ' "service=NAME", the "token_service" of registryd'),
    ("location", "registry_auth on realm=a;", 'it must be "service=NAME"'),
    ("location", f"registry_auth on service={LONG};",
     'it must be "service=NAME"'),
    ("location", "registry_auth on; registry_auth off;",
     '"registry_auth" directive is duplicate'),
    ("location", "registry_root;",
     'invalid number of arguments in "registry_root"'),
    ("location", "registry_root data;",
     'invalid value "data" in "registry_root" directive, it must be an'
     ' absolute path'),
    ("location", "registry_root /no/such/folder;",
     '"/no/such/folder" in "registry_root" directive cannot be used, it must'
     ' be an existing directory'),
    ("location", "registry_root @DIR@/file;",
     'in "registry_root" directive, it must be an existing directory'),
    ("location", "registry_root @DIR@; registry_root @DIR@;",
     '"registry_root" directive is duplicate'),
    ("location", f"registry_root {LONG};",
     'the path in "registry_root" directive has 501 bytes, at most 400 are'
     ' allowed'),
    ("server", "registry_daemon ipc:///x;",
     '"registry_daemon" directive is not allowed here'),
    ("location", "registry_daemon ipc:///x;",
     '"registry_daemon" directive is not allowed here'),
    ("http", "registry_daemon ipc:///x;",
     '"registry_daemon" directive is duplicate'),
    ("bare", "registry_daemon tcp://127.0.0.1:5555;",
     'invalid value "tcp://127.0.0.1:5555" in "registry_daemon" directive, it'
     ' must be "ipc:///path" or "unix:/path"'),
    ("bare", "registry_daemon ipc://relative;",
     'it must be "ipc:///path" or "unix:/path"'),
    ("bare", "registry_daemon unix:relative;",
     'it must be "ipc:///path" or "unix:/path"'),
    ("bare", "registry_daemon ipc:///;",
     'has 1 bytes, it must have 2 to 103'),
    ("bare", f"registry_daemon unix:{LONG};",
     'has 501 bytes, it must have 2 to 103'),
    ("bare", "registry_daemon ipc:///x timeout=0;",
     'invalid value "timeout=0" in "registry_daemon" directive, it must be'
     ' "timeout=10ms" to "600s"'),
    ("bare", "registry_daemon ipc:///x timeout=1h;",
     'it must be "timeout=10ms" to "600s"'),
    ("bare", "registry_daemon ipc:///x timeout=;",
     'it must be "timeout=10ms" to "600s"'),
    ("bare", "registry_daemon ipc:///x timout=2s;",
     'invalid value "timout=2s" in "registry_daemon" directive, it must be'
     ' "timeout=TIME"'),
    ("bare", "registry_daemon ipc:///x timeout=1s timeout=2s;",
     'invalid number of arguments in "registry_daemon"'),
    ("location", "registry_zone a:16m;",
     '"registry_zone" directive is not allowed here'),
    ("http", "registry_zone a;",
     'invalid value "a" in "registry_zone" directive, it must be "NAME:SIZE"'),
    ("http", "registry_zone :16m;", 'it must be "NAME:SIZE"'),
    ("http", "registry_zone a:;",
     'invalid value "a:" in "registry_zone" directive'),
    ("http", "registry_zone a:many;",
     'it must be "NAME:SIZE", as in "registry:16m"'),
    ("http", "registry_zone a:-1;", 'it must be "NAME:SIZE"'),
    ("http", "registry_zone a:64k;",
     'it must be "NAME:SIZE" of at least 256k'),
    ("http", "registry_zone a:1m; registry_zone b:1m;",
     '"registry_zone" directive is duplicate'),
    ("http", "registry_prefix /a;",
     '"registry_prefix" directive is not allowed here'),
    ("location", "registry_prefix a;",
     'invalid value "a" in "registry_prefix" directive, it must be a path that'
     ' starts with "/"'),
    ("location", "registry_prefix /a//b;", 'it must be a path'),
    ("location", "registry_prefix /a%20b;", 'it must be a path'),
    ("location", "registry_prefix /a?b;", 'it must be a path'),
    ("location", "registry_prefix /a; registry_prefix /b;",
     '"registry_prefix" directive is duplicate'),
    ("location", "registry_upload_max many;",
     '"registry_upload_max" directive invalid value'),
    ("location", "registry_upload_max -1;",
     '"registry_upload_max" directive invalid value'),
    ("location", "registry_upload_max 1g; registry_upload_max 2g;",
     '"registry_upload_max" directive is duplicate'),
    ("location", "registry_upload_timeout 0;",
     'invalid value "0" in "registry_upload_timeout" directive, it must be a'
     ' time above 0'),
    ("location", "registry_upload_timeout soon;", 'it must be a time above 0'),
    ("location", "registry_upload_timeout 1s; registry_upload_timeout 1s;",
     '"registry_upload_timeout" directive is duplicate'),
    ("location", "registry_upload_buffers 4;",
     'invalid number of arguments in "registry_upload_buffers"'),
    ("location", "registry_upload_buffers 1 64k;",
     'invalid value "1" in "registry_upload_buffers" directive, it must be a'
     ' number from 2 to 16'),
    ("location", "registry_upload_buffers 17 64k;",
     'it must be a number from 2 to 16'),
    ("location", "registry_upload_buffers 4 1k;",
     'invalid value "1k" in "registry_upload_buffers" directive, it must be a'
     ' size from 16k to 16m'),
    ("location", "registry_upload_buffers 4 17m;",
     'it must be a size from 16k to 16m'),
    ("location", "registry_max_ranges 0;",
     'invalid value "0" in "registry_max_ranges" directive, it must be a'
     ' number from 1 to 65536'),
    ("location", "registry_max_ranges 65537;",
     'it must be a number from 1 to 65536'),
    ("location", "registry_max_ranges x;",
     'it must be a number from 1 to 65536'),
    ("location", "registry_open_files on;",
     'invalid value "on" in "registry_open_files" directive, it must be'
     ' "max=N", "inactive=TIME", "valid=TIME" or "off"'),
    ("location", "registry_open_files max=0;",
     'it must be "max=N" with N above 0'),
    ("location", "registry_open_files max=8 inactive=0;",
     'it must be "inactive=TIME" with a time above 0'),
    ("location", "registry_open_files max=8 valid=x;",
     'it must be "valid=TIME"'),
    ("location", "registry_open_files inactive=10s;",
     '"registry_open_files" must have the "max" parameter'),
    ("location", "registry_open_files off max=8;",
     'it must be absent after "off"'),
    ("location", "registry_open_files off; registry_open_files max=8;",
     '"registry_open_files" directive is duplicate'),
    ("server", "registry_status;",
     '"registry_status" directive is not allowed here'),
    ("status", "registry_status xml;",
     'invalid value "xml" in "registry_status" directive, it must be "plain",'
     ' "json" or "openmetrics"'),
    ("status", "registry_status json; registry_status plain;",
     '"registry_status" directive is duplicate'),
    ("status", "registry_status; registry on;",
     '"registry on" and "registry_status" are in one location, each needs its'
     ' own'),
]


@pytest.mark.parametrize("place,line,message", WRONG,
                         ids=[f"{i}-{w[1][:40]}" for i, w in enumerate(WRONG)])
def test_wrong(conf, place, line, message):
    if place == "http":
        code, lines = conf.test(http=line)
    elif place == "bare":
        code, lines = conf.test(
            http=f"registry_root {conf.root}; {line}", defaults=False)
    elif place == "server":
        code, lines = conf.test(server=line)
    elif place == "status":
        code, lines = conf.test(server=f"location = /s {{ {line} }}")
    else:
        location = line if line.startswith("registry ") or (
            line.startswith("registry;")) else f"registry on; {line}"
        code, lines = conf.test(location=location)
    assert code == 1, lines
    emerg = [text for text in lines if "[emerg]" in text]
    assert len(emerg) == 1, lines
    assert message in emerg[0]
    assert re.search(rf" in {re.escape(str(conf.folder))}/nginx\.conf:\d+$",
                     emerg[0]), emerg[0]


def test_missing_default_root(conf):
    code, lines = conf.test(defaults=False)
    assert code == 1
    emerg = [text for text in lines if "[emerg]" in text]
    assert len(emerg) == 1
    assert 'needs a "registry_root"' in emerg[0]


RIGHT = [
    ("location", "registry off;"),
    ("location", "registry on;"),
    ("location", "registry on; registry_prefix /artifacts/;"),
    ("location", "registry on; registry_prefix /;"),
    ("location", "registry on; registry_upload_max 0;"),
    ("location", "registry on; registry_upload_max 20g;"),
    ("location", "registry on; registry_upload_buffers 2 16k;"),
    ("location", "registry on; registry_upload_buffers 16 16m;"),
    ("location", "registry on; registry_max_ranges 1;"),
    ("location", "registry on; registry_open_files off;"),
    ("location", "registry on; registry_open_files max=8;"),
    ("location", "registry on; registry_open_files max=8 inactive=1m valid=0;"),
    ("location", "registry on; open_file_cache max=8;"),
    ("location", "registry on; registry_root @DIR@///;"),
    ("location", "registry on; limit_except GET { deny all; }"),
    ("server", "registry on; registry_root @DIR@; registry_prefix /a;"),
    ("server", "location = /s { registry_status; }"),
    ("server", "location = /s { registry_status json; }"),
    ("http", "registry_zone big:64m;"),
    ("http", "registry_upload_timeout 5m;"),
    ("http", "access_log @DIR@/access.log registry_json;"),
    ("main", "thread_pool registry threads=3;"),
    ("main", "thread_pool other threads=3;"),
]


@pytest.mark.parametrize("place,line", RIGHT, ids=[r[1] for r in RIGHT])
def test_right(conf, place, line):
    code, lines = conf.test(**{place: line})
    assert code == 0, lines
    # The daemon is away: one warning, and the test passes.
    warnings = [text for text in lines if "[warn]" in text]
    expected = 0 if line == "registry off;" else 1
    assert len(warnings) == expected, lines
    if expected:
        assert "does not answer" in warnings[0]


def warnings_of(conf, **levels):
    code, lines = conf.test(**levels)
    assert code == 0, lines
    return [text for text in lines
            if "[warn]" in text and "does not answer" not in text]


@pytest.mark.parametrize("levels,words", [
    ({"location": "registry on; sendfile off;"}, '"sendfile" is off'),
    ({"location": "registry on; gzip on;"}, '"gzip"'),
    ({"location": "registry on; client_max_body_size 10m;"},
     '"client_max_body_size"'),
    ({"location": "registry on; client_max_body_size 10m;"
                  " registry_upload_max 20m;"}, '"client_max_body_size"'),
    ({"location": "registry on; proxy_pass http://127.0.0.1:1;"},
     '"proxy_pass"'),
    ({"server": "large_client_header_buffers 4 16k;"},
     '"large_client_header_buffers"'),
    ({"main": "worker_rlimit_nofile 32;"}, '"worker_rlimit_nofile"'),
], ids=lambda value: str(value)[:40])
def test_harmful(conf, levels, words):
    warnings = warnings_of(conf, **levels)
    assert len(warnings) == 1, warnings
    assert words in warnings[0]


@pytest.mark.parametrize("levels", [
    {"location": "registry on; client_max_body_size 0;"},
    {"location": "registry on; client_max_body_size 30m;"
                 " registry_upload_max 20m;"},
    {"server": "large_client_header_buffers 4 64k;"},
    {"server": "location /x { proxy_pass http://127.0.0.1:1; }",
     "location": "registry on;"},
], ids=str)
def test_harmless(conf, levels):
    assert warnings_of(conf, **levels) == []


def test_thread_pool_after_http(conf):
    """A pool of ours that comes too late is nginx's own, clear error."""
    path = conf.folder / "nginx.conf"
    conf.test()
    path.write_text(path.read_text() + "thread_pool registry threads=2;\n")
    done = run(NGINX, "-t", "-p", conf.folder, "-c", path, "-e", "stderr",
               check=False, env=environment("nginx"))
    assert done.returncode == 1
    assert 'duplicate thread pool "registry"' in done.stdout
