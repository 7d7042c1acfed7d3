"""Real clients push and pull while nginx is reloaded again and again."""

import concurrent.futures
import os
import threading

import pytest

from harness import image, oci
from harness.process import run

pytestmark = [pytest.mark.heavy, pytest.mark.ours, pytest.mark.timeout(300)]

PLAIN = "--src-tls-verify=false", "--dest-tls-verify=false"


@pytest.fixture
def reloading(make_registry):
    """A server whose nginx is reloaded as fast as workers come up."""
    server = make_registry(daemon_options="timeout=20s")
    stop, errors, count = threading.Event(), [], [0]

    def work():
        while not stop.wait(0.2):
            try:
                server.reload()
                count[0] += 1
            except Exception as error:  # told at the end
                errors.append(error)
                return
    thread = threading.Thread(target=work)
    thread.start()
    yield server
    stop.set()
    thread.join()
    assert not errors and count[0] >= 1, (errors, count)


def test_skopeo_and_oras(reloading, cli, hello, note, tmp_path):
    def life(number):
        """Push, copy within the registry, pull, compare: all must succeed."""
        picture = image.runnable(hello, f"{note}-{number}", 6 << 20)
        folder = image.write_layout(tmp_path / f"in{number}", picture, "v1")
        name = f"{reloading.address}/reload/{number}"
        cli("skopeo", "--insecure-policy", "copy", *PLAIN,
            f"oci:{folder}:v1", f"docker://{name}:v1")
        cli("oras", "copy", "--from-plain-http", "--to-plain-http",
            f"{name}:v1", f"{name}/copy:v1")
        back = tmp_path / f"out{number}"
        cli("skopeo", "--insecure-policy", "copy", *PLAIN,
            f"docker://{name}/copy:v1", f"oci:{back}:v1")
        assert image.layout_blobs(back) == image.layout_blobs(folder)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(life, range(12)))


def test_chunks_of_regctl(reloading, client, home, tmp_path):
    """Chunk after chunk meets other workers; the bytes must be the same."""
    program = client("regctl")
    env = {**home, "REGCTL_CONFIG": str(tmp_path / "regctl.json")}
    run(program, "registry", "set", reloading.address, "--tls", "disabled",
        "--blob-chunk", "262144", "--blob-max", "262144", "--skip-check",
        env=env)
    for number in range(4):
        data = os.urandom(8 << 20)
        (tmp_path / "blob").write_bytes(data)
        with open(tmp_path / "blob", "rb") as file:
            run(program, "blob", "put", f"{reloading.address}/chunks",
                stdin=file, env=env)
        got = oci.Repository(reloading, "chunks").get_blob(oci.digest(data))
        assert got.body == data
