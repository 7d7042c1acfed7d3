"""podman and containerd with a storage of a test's own."""

from .process import run, start, wait_until


class Podman:
    """The program with a storage of its own below `folder`."""

    def __init__(self, program, env, folder, address, partial=False):
        folder.mkdir(parents=True, exist_ok=True)
        self.program, self.folder = program, folder
        options = ""
        if partial:
            options = ('[storage.options]\npull_options = {'
                       'enable_partial_images = "true", '
                       'use_hard_links = "false", ostree_repos = ""}\n')
        (folder / "storage.conf").write_text(
            '[storage]\ndriver = "overlay"\n'
            f'runroot = "{folder}/run"\ngraphroot = "{folder}/storage"\n'
            + options)
        # Podman asks for more files and processes than a confined root may
        # have.
        (folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", '
            '"nproc=4096:4096"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
            f'events_logger = "none"\nstatic_dir = "{folder}/libpod"\n'
            f'tmp_dir = "{folder}/tmp"\nvolume_path = "{folder}/volumes"\n')
        (folder / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        self.env = {**env, "TMPDIR": str(folder),
                    "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
                    "CONTAINERS_CONF": str(folder / "containers.conf"),
                    "CONTAINERS_REGISTRIES_CONF":
                        str(folder / "registries.conf")}

    def __call__(self, *words, **keywords):
        return run(self.program, *words, env=self.env, cwd=self.folder,
                   **keywords)

    def close(self):
        self("rm", "--all", "--force", check=False)
        self("rmi", "--all", "--force", check=False)
        run("umount", self.folder / "storage/overlay", check=False)


class Containerd:
    """A containerd below `folder`; call it with the words of ctr."""

    def __init__(self, folder, daemon, ctr):
        self.ctr, self.folder = ctr, folder
        self.socket = folder / "c.sock"
        self.log = folder / "containerd.log"
        (folder / "config.toml").write_text(
            'version = 2\n'
            f'root = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.socket}"\n'
            # What one namespace holds another one has to fetch.
            '[plugins."io.containerd.metadata.v1.bolt"]\n'
            'content_sharing_policy = "isolated"\n')
        self.process = start(
            [daemon, "--config", folder / "config.toml"], self.log)
        wait_until(self._up, pause=0.1, what="containerd answers")

    def _up(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text()[-4000:])
        return self("version", check=False).returncode == 0

    def __call__(self, *words, **keywords):
        return run(self.ctr, "--address", self.socket, *words, **keywords)

    def content(self):
        """Digests of all that is held."""
        return set(self("content", "ls", "-q").stdout.split())
