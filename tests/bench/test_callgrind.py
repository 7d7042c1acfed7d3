"""bench/callgrind: a warm GET executes no more instructions than it did."""

import json
import subprocess
import sys

import pytest

from harness.server import BUILD, TREE

sys.path.insert(0, str(TREE / "bench"))

from kit import callgrind, machine  # noqa: E402

PROGRAM = TREE / "bench" / "callgrind"
PART = """\
version: 1
part: 2
events: Ir
positions: line

ob=(1) /usr/sbin/nginx
fl=(1) ???
fn=(1) ngx_run
0 100
cob=(2) /x/ngx_http_registry_module.so
cfi=(2) module.cpp
cfn=(2) longshore::content_handler(ngx_http_request_s*)
calls=2 0
0 {inclusive}

fn=(3) ngx_list_push
0 7

ob=(2)
fl=(2)
fn=(2)
0 40
+1 2
cfn=(4) longshore::route(longshore::RequestCtx&)
calls=2 0
* 20
cob=(1)
cfi=(1)
cfn=(3)
calls=1 0
0 7

totals: 156
"""


@pytest.mark.ours
@pytest.mark.timeout(170)
def test_no_more_instructions_than_before():
    made = machine.build_facts(BUILD)
    if made.get("sanitize") or made.get("type") == "Debug":
        pytest.skip("bench/callgrind refuses debug and sanitizer builds")
    done = subprocess.run([PROGRAM, "--json", "--check", "--build", BUILD],
                          capture_output=True, text=True, timeout=160,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    for name in ("blob_get", "manifest_get"):
        own, request = counts[f"{name}_own"], counts[f"{name}_request"]
        assert 1000 < own < counts[name] < request, counts
    # A registry's answer is not cheaper than nginx's own.
    assert 5000 < counts["static_get"] < counts["blob_get_request"]
    assert 5000 < counts["return_get"] < counts["manifest_get_request"]


def test_a_count_above_its_limit_is_told():
    usual = dict(callgrind.COUNTED)
    assert callgrind.above(usual) == []
    usual["blob_get_own"] = round(usual["blob_get_own"] * 1.16)
    told = callgrind.above(usual)
    assert len(told) == 1 and told[0].startswith("blob_get_own: ")


def test_the_profile_is_read():
    profile = callgrind.read(PART.format(inclusive=69))
    assert profile.total() == 100 + 7 + 42
    assert profile.inside(callgrind.MODULE) == 42
    assert profile.inclusive(callgrind.HANDLER) == 42 + 20 + 7
    called = profile.called_by("longshore::")
    assert called["/usr/sbin/nginx", "ngx_list_push"] == 7


def test_a_mark_is_taken_off():
    mark = callgrind.read(PART.format(inclusive=69))
    part = callgrind.read(PART.format(inclusive=69).replace("0 40", "0 1040"))
    one = part.per(10, mark)
    assert one.total() == 100
    assert one.inside(callgrind.MODULE) == 100


def test_an_unfit_build_is_refused(tmp_path):
    done = subprocess.run([PROGRAM, "--build", tmp_path], text=True,
                          capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("bench/callgrind: ")
    assert done.stdout == ""
