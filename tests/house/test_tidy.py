"""clang-tidy has nothing to say (.clang-tidy: names, bugprone, performance)."""

import subprocess

import pytest

from harness import clients, tree


@pytest.fixture(autouse=True)
def needs_clang_tidy():
    clients.need("clang-tidy")


@pytest.mark.heavy
@pytest.mark.timeout(2700)  # beside a cold build of the fuzz targets
def test_every_file():
    result = subprocess.run([str(tree.TREE / "tools" / "tidy")],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr
    assert " 0 files" not in result.stdout


@pytest.mark.parametrize("code, check", [
    ("int BadName() { return 1; }", "readability-identifier-naming"),
    ("constexpr int limit = 1;", "readability-identifier-naming"),
    ("class A { int count = 0; };", "readability-identifier-naming"),
    ("int f(int a) { if (a) { return 1; } else { return 1; } }",
     "bugprone-branch-clone"),
    ("#include <string>\nint f(std::string s) { return (int)s.size(); }",
     "performance-unnecessary-value-param"),
])
def test_a_planted_breach_is_seen(tmp_path, code, check):
    path = tmp_path / "x.cpp"
    path.write_text(code + "\n")
    result = subprocess.run(
        ["clang-tidy", f"--config-file={tree.TREE / '.clang-tidy'}",
         "--quiet", str(path), "--", "-std=c++20"],
        capture_output=True, text=True)
    assert result.returncode != 0 and check in result.stdout, result.stdout
