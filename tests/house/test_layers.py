"""Who may include whom: the table of ARCHITECTURE.md, "Levels".

The build enforces it too, by what each target links; this names the line.
"""

import re

import pytest

from harness import tree

# Folder: (levels of ours it may include, libraries it may include).
STANDARD = "standard"
LEVELS = {
    "common": ({"common"}, {"openssl/sha.h", "openssl/rand.h",
                            "openssl/evp.h", "openssl/err.h"}),
    "ngx_module": ({"common", "ngx_module"}, {"zmq.h", "ngx_", "openssl/"}),
    "daemon/model": ({"common", "model"}, set()),
    "daemon/http": ({"common", "http"}, set()),
    "daemon/syntax": ({"common", "syntax"},
                      {"nlohmann/", "yaml.h", "pugixml.hpp"}),
    "daemon/archive": ({"common", "archive"},
                       {"archive.h", "archive_entry.h", "dlfcn.h", "zlib.h",
                        "bzlib.h", "lzma.h", "zstd.h", "zstd_errors.h"}),
    "daemon/db": ({"common", "model", "db"}, {"sqlite3.h"}),
    "daemon/upstream": ({"common", "model", "http", "upstream"},
                        {"curl/", "dlfcn.h"}),
    "daemon/store": ({"common", "model", "store"}, set()),
    "daemon/auth": ({"common", "model", "http", "db", "auth"},
                    {"nlohmann/", "openssl/", "argon2.h", "crypt.h"}),
    "daemon/registry": ({"common", "model", "http", "archive", "db", "store",
                         "registry"}, {"nlohmann/", "spdlog/", "fmt/",
                                       "openssl/", "rnp/", "dlfcn.h"}),
    "daemon/formats": ({"common", "model", "http", "archive", "syntax",
                        "registry", "formats"},
                       {"nlohmann/"}),
    "daemon/jobs": ({"common", "model", "http", "db", "store", "upstream",
                     "auth", "registry", "formats", "jobs"},
                    {"nlohmann/", "spdlog/", "fmt/"}),
    "daemon/api": ({"common", "model", "http", "db", "auth", "registry",
                    "api"},
                   {"nlohmann/"}),
    "daemon/server": ({"common", "model", "http", "syntax", "db", "store",
                       "auth", "registry", "formats", "jobs", "api", "server"},
                      {"zmq.h", "zmq.hpp", "nlohmann/", "spdlog/", "fmt/"}),
}
# Headers that belong to few files, whatever the level may have.
OWNERS = {
    r"sqlite3\.h": r"daemon/db/",
    r"curl/curl\.h": r"daemon/upstream/|ctl/",
    r"rnp/.*": r"daemon/registry/",
    r"yaml\.h|pugixml\.hpp": r"daemon/syntax/",
    r"archive(_entry)?\.h": r"daemon/archive/",
    r"zmq(_addon)?\.h(pp)?": r"ngx_module/link\.cpp|daemon/server/",
    r"sys/sdt\.h": r"common/probe\.hpp",
    r"ngx_[^/]*": r"ngx_module/(ngx\.hpp|modules\.c)",
}
# Formats translate; sockets, threads and files are for others.
NOT_IN_FORMATS = re.compile(
    r"thread|mutex|condition_variable|future|atomic|fstream|filesystem|"
    r"sys/.*|unistd\.h|fcntl\.h|netinet/.*|arpa/.*|poll\.h|pthread\.h|"
    r"cstdio|stdio\.h")
# C++ headers have no dot; of the system's C headers these are in use.
SYSTEM_C = re.compile(
    r"sys/\w+\.h|linux/\w+\.h|netinet/\w+\.h|arpa/inet\.h|unistd\.h|fcntl\.h|"
    r"dirent\.h|poll\.h|signal\.h|time\.h|strings\.h|pthread\.h|grp\.h|"
    r"pwd\.h|getopt\.h|netdb\.h|errno\.h|limits\.h|stdint\.h|string\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]*)[>"]', re.M)


def level_of(path):
    parts = path.split("/")
    if parts[0] == "daemon" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in LEVELS else None


def breaches(path, text):
    """What a file includes and must not; sentences."""
    found = []
    level = level_of(path)
    for quote, name in INCLUDE.findall(text):
        if ".." in name.split("/"):
            found.append(f'{path}: "{name}" is relative, write it from the '
                         "level's root")
        for pattern, owner in OWNERS.items():
            if re.fullmatch(pattern, name) and not re.match(owner, path) and (
                    level is not None):
                found.append(f"{path}: {name} may only be in {owner}")
        if level is None:
            continue
        ours, libraries = LEVELS[level]
        if quote == '"':
            if name.split("/")[0] not in ours or "/" not in name:
                found.append(f'{path}: {level} may not include "{name}"')
        elif ("." in name or "/" in name) and not SYSTEM_C.fullmatch(name) and (
                not name.startswith(tuple(libraries) or ("\0",))):
            found.append(f"{path}: {level} may not include <{name}>")
        elif level == "daemon/formats" and NOT_IN_FORMATS.fullmatch(name):
            found.append(f"{path}: a format has no use for <{name}>")
    return found


def test_every_include():
    found = [line for path in tree.cpp_files()
             for line in breaches(path, tree.read(path))]
    assert not found, "\n".join(found)


def test_every_folder_has_a_level():
    folders = {"/".join(path.split("/")[:2]) for path in tree.cpp_files(
        "daemon") if path.count("/") > 1}
    assert folders <= set(LEVELS), folders - set(LEVELS)


def test_headers_are_guarded_and_say_what_they_are():
    for path in tree.cpp_files("common", "ngx_module", "daemon"):
        if path.endswith(".hpp"):
            text = tree.read(path)
            assert "#pragma once" in text, path
            assert text.startswith("//"), f"{path}: no comment at the top"


@pytest.mark.parametrize("path, include", [
    ("common/x.cpp", '"model/blob.hpp"'),
    ("common/x.cpp", "<nlohmann/json.hpp>"),
    ("common/x.cpp", '"../daemon/db/sql.hpp"'),
    ("ngx_module/serve.cpp", '"registry/catalog.hpp"'),
    ("ngx_module/serve.cpp", "<nlohmann/json.hpp>"),
    ("ngx_module/serve.cpp", "<sqlite3.h>"),
    ("ngx_module/serve.cpp", "<zmq.h>"),
    ("ngx_module/serve.cpp", "<ngx_http.h>"),
    ("ngx_module/serve.cpp", '"serve.hpp"'),
    ("ngx_module/serve.cpp", "<sys/sdt.h>"),
    ("daemon/registry/x.cpp", "<sqlite3.h>"),
    ("daemon/registry/x.cpp", '"formats/oci/x.hpp"'),
    ("daemon/db/x.cpp", '"registry/catalog.hpp"'),
    ("daemon/formats/npm.cpp", '"db/database.hpp"'),
    ("daemon/formats/npm.cpp", "<thread>"),
    ("daemon/formats/npm.cpp", "<sys/socket.h>"),
    ("daemon/jobs/x.cpp", "<zmq.hpp>"),
    ("tests/unit/x.cpp", '"../common/digest.hpp"'),
])
def test_a_planted_breach_is_seen(path, include):
    assert breaches(path, f"#include <string>\n#include {include}\n")


@pytest.mark.parametrize("path, include", [
    ("common/x.cpp", "<openssl/sha.h>"),
    ("ngx_module/link.cpp", "<zmq.h>"),
    ("ngx_module/ngx.hpp", "<ngx_http.h>"),
    ("daemon/db/x.cpp", "<sqlite3.h>"),
    ("daemon/server/x.cpp", "<zmq.hpp>"),
    ("daemon/formats/npm.cpp", "<nlohmann/json.hpp>"),
    ("daemon/main.cpp", '"server/endpoint.hpp"'),
])
def test_what_is_allowed_passes(path, include):
    assert not breaches(path, f"#include {include}\n")
