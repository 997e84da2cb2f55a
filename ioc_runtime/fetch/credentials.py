"""Credentials of a Git server: files of a directory, handed to git and to nothing else.

The directory is a mounted Secret (or one on a laptop) with any of these files:

| file | for |
|---|---|
| `username`, `password` | https; a token is the password, and needs no username |
| `identity` | ssh: the private key |
| `known_hosts` | ssh: the keys that the server may have |
| `ca.crt` | https: certificates to trust instead of the system's |

git asks for a password through `python -m ioc_runtime.fetch.credentials DIR`, which answers
for the server of the plugin's address alone: a submodule elsewhere gets nothing. So no
secret is ever in an argument, in `.git/config` or in the environment of a process.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SECRETS: Final = ("password", "identity", "username")
LARGEST: Final = 64 * 1024
DEFAULT_USER: Final = "git"
"""Servers that take a token take any name with it."""


class Credentials:
    """What a directory holds; without a directory nothing is added to git's own set-up."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def environment(self, url: str) -> dict[str, str]:
        """Variables that make git use them for this address."""
        config = [
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("protocol.version", "2"),
            ("http.lowSpeedLimit", "1000"),
            ("http.lowSpeedTime", "15"),
            ("advice.detachedHead", "false"),
            ("init.defaultBranch", "none"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("safe.directory", "*"),
            ("submodule.fetchJobs", "1"),
        ]
        variables = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GCM_INTERACTIVE": "never",
            "LC_ALL": "C",
            "GIT_SSH_COMMAND": self._ssh(),
        }
        if self._directory is not None:
            variables |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
            config += self._for_https(url)
        variables["GIT_CONFIG_COUNT"] = str(len(config))
        for index, (key, value) in enumerate(config):
            variables[f"GIT_CONFIG_KEY_{index}"] = key
            variables[f"GIT_CONFIG_VALUE_{index}"] = value
        return variables

    @property
    def secrets(self) -> list[str]:
        """Texts that must not be shown to anybody, the longest first."""
        found: set[str] = set()
        for name in SECRETS:
            text = self._read(name)
            if text and name != "username":
                found |= {text, *(line for line in text.splitlines() if len(line) >= 20)}
        return sorted((text for text in found if text), key=len, reverse=True)

    @property
    def files(self) -> list[str]:
        """Names of the files that are there, for messages."""
        known = (*SECRETS, "known_hosts", "ca.crt")
        return [name for name in known if self._file(name) is not None]

    def _for_https(self, url: str) -> list[tuple[str, str]]:
        parts = urlsplit(url)
        config = [("credential.helper", "")]  # forget any other
        if parts.scheme != "https":
            return config
        if self._file("ca.crt") is not None:
            config.append(("http.sslCAInfo", str(self._file("ca.crt"))))
        if self._file("password") is not None:
            helper = shlex.join([sys.executable, "-m", __spec__.name, str(self._directory)])
            server = f"https://{parts.netloc.rpartition('@')[2]}"
            config.append((f"credential.{server}.helper", f"!{helper}"))
        return config

    def _ssh(self) -> str:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
        }
        command = ["ssh"]
        if self._directory is not None:
            command += ["-F", "/dev/null"]
            known = self._file("known_hosts")
            options |= {
                "StrictHostKeyChecking": "yes",
                "UserKnownHostsFile": str(known) if known is not None else "/dev/null",
                "GlobalKnownHostsFile": "/dev/null",
                "IdentitiesOnly": "yes",
                "IdentityAgent": "none",
            }
            identity = self._file("identity")
            options["IdentityFile"] = str(identity) if identity is not None else "none"
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        return shlex.join(command)

    def _file(self, name: str) -> Path | None:
        if self._directory is None:
            return None
        file = self._directory / name
        return file if file.is_file() else None

    def _read(self, name: str) -> str:
        file = self._file(name)
        if file is None:
            return ""
        try:
            with open(file, encoding="utf-8", errors="replace") as stream:
                return stream.read(LARGEST).strip()
        except OSError:
            return ""

    def answer(self) -> str:
        """What git's credential protocol expects of a helper that is asked to `get`."""
        password = self._read("password")
        if not password or "\n" in password:
            return ""
        user = self._read("username") or DEFAULT_USER
        return f"username={user}\npassword={password}\n"


def main(arguments: list[str]) -> int:
    """Git's credential helper: `DIRECTORY get`."""
    if len(arguments) == 2 and arguments[1] == "get":
        sys.stdout.write(Credentials(Path(arguments[0])).answer())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
