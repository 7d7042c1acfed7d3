"""The OCI conformance program: nothing may fail and nothing be skipped.

It is run as for the specification's main branch, with every API and every
kind of data on. Its figures go to the results directory, from where the
runner prints them at the end.
"""

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness.process import run

FIGURES = ("Pass", "FAIL", "Skip", "Disabled", "Error", "Total")


def figures(output):
    """The table of results in what the program printed."""
    table = output.split("OCI Conformance Result:", 1)[1]
    return {name: int(re.search(rf"^ *{name}\.+: +(\d+)$", table,
                                re.MULTILINE).group(1))
            for name in FIGURES}


def not_passed(results):
    """A line for each check that did not pass, with the first reason."""
    lines = []
    root = ElementTree.parse(results / "junit.xml").getroot()
    for case in root.iter("testcase"):
        if case.get("status") != "passed":
            why = (case.findtext("system-out") or "").strip()
            lines.append(f"{case.get('status')}: {case.get('name')}: "
                         + why.replace("\n", " | ")[:400])
    return lines


def report(lines):
    folder = os.environ.get("LONGSHORE_RESULTS")
    if folder:
        path = Path(folder) / "conformance.txt"
        old = path.read_text() if path.exists() else ""
        path.write_text(old + "\n".join(lines) + "\n")


@pytest.mark.heavy
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tls", (False, True), ids=("plain", "tls"))
def test_conformance(client, make_registry, tmp_path, tls):
    try:
        program = client("conformance")
    except pytest.skip.Exception as why:
        report([f"OCI conformance: not run, {why}"] if not tls else [])
        raise
    # The suite's sparse data are images without some of their layers, which
    # we take only where an operator allows it.
    server = make_registry(tls=tls, daemon_config="sparse_images = true\n")
    env = {**os.environ, "OCI_REGISTRY": server.address,
           "OCI_TLS": "enabled" if tls else "disabled",
           "OCI_VERSION": "dev", "OCI_DATA_SPARSE": "true",
           "OCI_RESULTS_DIR": str(tmp_path)}
    if tls:
        env["SSL_CERT_FILE"] = server.tls
    done = run(program, check=False, seconds=240, env=env, cwd=tmp_path)
    count = figures(done.stdout)
    bad = not_passed(tmp_path)
    report([f"OCI conformance (dev, sparse, {'TLS' if tls else 'plain'}): "
            f"{count['Pass']} passed, {count['FAIL'] + count['Error']} "
            f"failed, {count['Skip'] + count['Disabled']} skipped "
            f"of {count['Total']}"])
    assert not bad, "\n".join(bad[:60])
    assert done.returncode == 0
    assert count["Pass"] == count["Total"] > 800, count
