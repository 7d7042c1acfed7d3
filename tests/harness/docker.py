"""Docker Engine: a dockerd of a test's own and its command line."""

import os
import signal

from .process import end, run, start, wait_until


class Engine:
    """dockerd below `folder`, without a network of its own.

    It reaches a registry because loopback addresses are insecure registries
    to it. Call it with the words of a docker command.
    """

    def __init__(self, folder, program, daemon):
        (folder / "tmp").mkdir(parents=True)
        (folder / "none.json").write_text("{}")
        self.folder = folder
        self.program = program
        self.socket = f"unix://{folder}/docker.sock"
        self.log = folder / "dockerd.log"
        self.env = {**os.environ, "HOME": str(folder),
                    "DOCKER_CONFIG": str(folder / "config"),
                    "DOCKER_CLI_EXPERIMENTAL": "enabled",
                    "DOCKER_BUILDKIT": "0", "TMPDIR": str(folder),
                    "DOCKER_TMPDIR": str(folder / "tmp")}
        self.process = start(
            [daemon, "--bridge=none", "--iptables=false",
             "--ip6tables=false", "--storage-driver=overlay2", "--data-root",
             folder / "data", "--exec-root", folder / "exec", "--pidfile",
             folder / "docker.pid", "--host", self.socket, "--config-file",
             folder / "none.json", "--max-concurrent-uploads=5"],
            self.log, self.env)
        wait_until(self._up, 60, 0.2, "dockerd answers")

    def _up(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text()[-4000:])
        return self("version", check=False).returncode == 0

    def __call__(self, *words, **keywords):
        keywords.setdefault("env", self.env)
        return run(self.program, "--host", self.socket, *words, **keywords)

    def stop(self):
        end(self.process, signal.SIGTERM, 30)
        # What the engine left mounted would keep the folder.
        mounts = [line.split()[1] for line in open("/proc/self/mounts")]
        for path in reversed(mounts):
            if path.startswith(str(self.folder)):
                run("umount", "-l", path, check=False)
