"""Policies of retention and immutable tags over /api/v1."""

import pytest

from harness.api import ApiServer
from harness.process import wait_until

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server():
    with ApiServer(1) as one:
        yield one


def test_policies_and_runs(server):
    policy = {"pattern": "team/**", "keep_last": 3, "keep_tags": ["v*"],
              "keep_pulled_days": 0, "keep_younger_days": 0,
              "delete_untagged_days": 7}
    assert server.call("PUT", "/retention", body=policy).json() == policy
    listed = server.call("GET", "/retention").json()["policies"]
    assert listed == [policy]
    for wrong in ({"pattern": "team/**"},
                  {"pattern": "team/**", "keep_last": -1},
                  {"pattern": "team/**", "keep_last": 1 << 40},
                  {"pattern": "Team", "keep_last": 1},
                  {"pattern": "team", "keep_tags": ["a b"]}):
        assert server.call("PUT", "/retention", body=wrong).status == 422
    preview = server.call("GET", "/retention/preview").json()
    assert preview == {"removals": [], "tags": 0, "manifests": 0}
    wanted = server.call("POST", "/retention/runs", body={})
    assert wanted.status == 202 and wanted.json()["state"] == "wanted"

    def over():
        run = server.call("GET", "/retention/runs").json()["runs"][0]
        return run["id"] == wanted.json()["id"] and run["state"] == "done"
    wait_until(over, what="the run is done")
    server.done("DELETE", "/retention?pattern=team/**")
    assert server.call("DELETE", "/retention?pattern=team/**").status == 404


def test_immutable_tags(server):
    rule = {"pattern": "team/*", "tags": "v*"}
    server.done("PUT", "/immutable-tags", body=rule)
    server.done("PUT", "/immutable-tags", body=rule)
    assert server.call("GET", "/immutable-tags").json() == {
        "immutable": [rule]}
    target = "/immutable-tags?pattern=team/*&tags=v*"
    server.done("DELETE", target)
    assert server.call("DELETE", target).status == 404
