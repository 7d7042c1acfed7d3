"""The documentation names what the code has, and nothing else."""

import re
from pathlib import Path

import pytest

from harness import tree

COMMAND = re.compile(r'\{\s*ngx_string\("(registry\w*)"\)')
HEADING = re.compile(r"^#+ +`?(registry\w*)`?\s*$", re.M)
SETTING = re.compile(r'^    Setting\{\s*"(\w+)"', re.M)
ROW = re.compile(r"^\| `(\w+)` \|", re.M)
# A declaration of a function that returns a Result; not a use of the type.
DECLARATION = re.compile(
    r"^ *(?:static |virtual |\[\[nodiscard\]\] )*(?:longshore::)?"
    r"Result<[^;={}()]*> (\w+)\(", re.M)


def missing_errors(text):
    """Public declarations of a header that return a Result and do not say
    which errors. Exempt: overrides and private members (said at the
    interface), and a header that says it once for all: "@errors of all"."""
    if "@errors of all" in text:
        return []
    lines, found, private = text.splitlines(), [], False
    for number, line in enumerate(lines):
        if re.match(r"\s*(public|protected|private):", line):
            private = not line.strip().startswith("public")
        elif re.match(r"(class|struct|namespace|}) ?", line):
            private = False
        match = DECLARATION.match(line)
        if not match or private:
            continue
        end = number
        while end < len(lines) and ";" not in lines[end] and (
                "{" not in lines[end]):
            end += 1
        if "override" in " ".join(lines[number:end + 1]):
            continue
        above = number
        while above > 0 and lines[above - 1].strip().startswith("//"):
            above -= 1
        if "@errors" not in "\n".join(lines[above:number]):
            found.append(match.group(1))
    return found


def test_every_directive_has_a_section():
    directives = {name for path in tree.cpp_files("ngx_module")
                  for name in COMMAND.findall(tree.read(path))}
    assert directives, "no command table found"
    page = tree.read("docs/directives.md")
    assert set(HEADING.findall(page)) == directives
    sections = re.split(r"^#+ +", page, flags=re.M)[1:]
    for section in sections:
        name = section.split()[0].strip("`")
        if name in directives:
            for word in ("Syntax", "Default", "Context"):
                assert word in section, f"{name}: no {word}"


def test_every_setting_has_a_row():
    settings = SETTING.findall(tree.read("daemon/config.cpp"))
    assert settings
    assert ROW.findall(tree.read("docs/registryd.conf.md")) == settings


def test_every_result_says_its_errors():
    found = [f"{path}: {name}()" for path in tree.cpp_files(
                 "common", "daemon", "ngx_module") if path.endswith(".hpp")
             for name in missing_errors(tree.read(path))]
    assert not found, "\n".join(found)


def test_every_link_leads_somewhere():
    found = []
    for path in tree.files():
        if path.endswith(".md"):
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", tree.read(path)):
                target = (tree.TREE / path).parent / link
                if "://" not in link and not target.exists():
                    found.append(f"{path}: {link}")
    assert not found, "\n".join(found)


def test_every_test_that_is_named_is_there():
    """Evidence: `Suite.Test`, `test_function`, `tests/folder/file`."""
    cpp = "\n".join(tree.read(path) for path in tree.cpp_files("tests"))
    suites = {f"{suite}.{name}" for suite, name in re.findall(
        r"^TEST(?:_[FP])?\((\w+), (\w+)\)", cpp, re.M)}
    functions = {name for path in tree.files() if path.endswith(".py")
                 for name in re.findall(r"^def (test_\w+)",
                                        tree.read(path), re.M)}
    paths, found = set(tree.files()), []
    folders = {str(one) for path in paths for one in Path(path).parents}
    for page in sorted(paths):
        if not page.endswith(".md"):
            continue
        for name in re.findall(r"`([^`\s]+)`", tree.read(page)):
            name = name.split("[")[0].rstrip("/")
            good = (
                name in suites if re.fullmatch(r"\w+Test\.\w+", name) else
                name in functions if re.fullmatch(r"test_\w+", name) else
                name in paths or name in folders or any(
                    Path(path).match(name) for path in paths)
                if re.fullmatch(r"tests/[\w/.*]+", name) else True)
            if not good:
                found.append(f"{page}: {name}")
    assert not found, "\n".join(found)


def test_the_change_log_begins_with_unreleased():
    headings = re.findall(r"^## (.*)$", tree.read("CHANGELOG.md"), re.M)
    assert headings and headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading)
               for heading in headings[1:])


@pytest.mark.parametrize("text, names", [
    ("/// Reads.\nResult<int> read(int a);\n", ["read"]),
    ("/// @errors not_found\nResult<int> read(int a);\n", []),
    ("class A {\npublic:\n    Result<std::vector<int>> list(\n"
     "        int a);\nprivate:\n    Result<void> hidden();\n};\n", ["list"]),
    ("    Result<int> next() override;\n", []),
    ("/// @errors of all here: unavailable\nResult<int> a();\n", []),
    ("using Work = std::function<Result<void>(int&)>;\n", []),
])
def test_the_rule_of_errors(text, names):
    assert missing_errors(text) == names
