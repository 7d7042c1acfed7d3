"""Files and functions that can be read: 800 and 80 lines at most.

There is no list of exceptions. A function is what stands between the braces
that follow a parameter list; blank lines and comments count.
"""

import ast
import re

from harness import tree

FILE_LINES = 800
FUNCTION_LINES = 80
COLUMNS = 80
CONTAINER = re.compile(r'\b(namespace|class|struct|union|enum)\b|extern ""')
SOURCE = (*tree.CPP, ".py", ".sh", ".cmake", ".sql")


def functions(text):
    """(first line, lines, head) of every function of a C++ file."""
    code = re.sub(r"^\s*#.*(?:\\\n.*)*$", "", tree.code_only(text), flags=re.M)
    # Directives may have lost lines; they stand outside of functions or are
    # one line long, so lengths stay right.
    found, stack, start, line = [], [], 0, 1
    for place, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == ";":
            start = place + 1
        elif char == "{":
            head = code[start:place].strip()
            outer = all(kind == "container" for kind, _, _ in stack)
            kind = "other"
            if CONTAINER.search(head) and not head.endswith(")"):
                kind = "container"
            elif outer and ")" in head and not head.endswith("="):
                kind = "function"
            stack.append((kind, line, head))
            start = place + 1
        elif char == "}" and stack:
            kind, first, head = stack.pop()
            start = place + 1
            if kind == "function":
                lines = line - first + 1 + head.count("\n")
                found.append((first - head.count("\n"), lines,
                              " ".join(head.split())[:60]))
    return found


def too_long(path, text):
    return [f"{path}:{first}: {lines} lines: {head}"
            for first, lines, head in functions(text)
            if lines > FUNCTION_LINES]


def test_files():
    found = []
    for path in tree.files():
        if path.endswith(SOURCE):
            lines = tree.read(path).count("\n")
            if lines > FILE_LINES:
                found.append(f"{path}: {lines} lines")
    assert not found, "\n".join(found)


def test_cpp_functions():
    found = [line for path in tree.cpp_files()
             for line in too_long(path, tree.read(path))]
    assert not found, "\n".join(found)


def test_python_functions():
    found = []
    for path in tree.files():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse(tree.read(path))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    lines = node.end_lineno - node.lineno + 1
                    if lines > FUNCTION_LINES:
                        found.append(f"{path}:{node.lineno}: {lines} lines")
    assert not found, "\n".join(found)


def test_columns():
    found = [f"{path}:{number}: {len(line)} columns"
             for path in tree.cpp_files()
             for number, line in enumerate(tree.read(path).splitlines(), 1)
             if len(line) > COLUMNS and "http" not in line]
    assert not found, "\n".join(found)


def planted(lines):
    body = "    f();  // } no brace\n" * (lines - 2)
    return ("namespace a {\nclass B {\n    int x() {\n        return 1;\n"
            "    }\n};\n\nint table[] = {1, 2};\n\nB::B(int a)\n"
            "    : x_(a) {\n" + body + "}\n}\n")


def test_the_measure_itself():
    assert [(first, lines) for first, lines, _ in functions(planted(50))] == [
        (3, 3), (10, 51)]
    assert not too_long("x.cpp", planted(79))
    assert too_long("x.cpp", planted(80))
