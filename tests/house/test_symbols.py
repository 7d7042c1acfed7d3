"""What the module asks of its process, and what it shows to it.

nginx loads modules into its own name space: an export of ours could be taken
for another module's symbol, and an import that nothing there has ends nginx.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("LONGSHORE_BUILD", "build"))
EXPORTS = {"ngx_modules", "ngx_module_names", "ngx_module_order",
           "ngx_http_registry_module"}
NEEDED = re.compile(r"(libzmq|libcrypto|libstdc\+\+|libgcc_s|libm|libc|"
                    r"libpthread|ld-linux-x86-64|libasan|libubsan|libtsan)"
                    r"\.so\.\d+")
# Of libcrypto and the C/C++ run time every symbol has a version.
IMPORT = re.compile(
    r"ngx_\w+|zmq_\w+|\w+@(GLIBC|GLIBCXX|CXXABI|GCC|OPENSSL)_[\w.]+|"
    r"__gmon_start__|_ITM_\w+|__cxa_finalize(@.*)?|"
    r"__(asan|ubsan|tsan|sanitizer)_\w+")


def symbols(path, *options):
    text = subprocess.run(["nm", "-D", *options, str(path)], check=True,
                          capture_output=True, text=True).stdout
    return {line.split()[-1] for line in text.splitlines()}


def strangers(names):
    return sorted(name for name in names if not IMPORT.fullmatch(
        name.replace("@@", "@")))


@pytest.fixture(scope="module")
def module():
    path = BUILD / "ngx_http_registry_module.so"
    assert path.exists(), f"{path} is not built"
    return path


def test_imports(module):
    names = symbols(module, "--undefined-only", "--with-symbol-versions")
    assert any(name.startswith("ngx_") for name in names)
    assert not strangers(names)


def test_exports(module):
    names = {name.split("@")[0] for name in symbols(module, "--defined-only")}
    assert names == EXPORTS


def test_libraries(module):
    text = subprocess.run(["readelf", "-d", str(module)], check=True,
                          capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    assert needed
    assert not [name for name in needed if not NEEDED.fullmatch(name)]


def test_strangers_are_seen():
    assert strangers({"ngx_pcalloc", "zmq_send", "memcpy@GLIBC_2.14",
                      "SHA256_Update@OPENSSL_3.0.0"}) == []
    assert strangers({"sqlite3_open", "json_parse", "deflate"}) == [
        "deflate", "json_parse", "sqlite3_open"]
