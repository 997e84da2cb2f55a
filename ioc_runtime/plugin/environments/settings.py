"""Where the index is, whom it trusts, who we are: from a directory of files and the environment.

The directory is a mounted ConfigMap or Secret (or both, projected into one):

| file | holds |
|---|---|
| `pip.conf` | pip's `index-url`, `extra-index-url`, `find-links`, `trusted-host`, `timeout`, ... |
| `uv.toml` | configuration of uv, where pip.conf cannot say it |
| `ca.crt` | PEM certificates that are trusted beside those of the system |
| `netrc` | `machine HOST login USER password PASSWORD` of the index |

None of it is ever an argument of a command. pip's variables (`PIP_INDEX_URL`, ...) and files
count for uv too; uv's own variables win over them.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"

_FOR_UV: Final = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "no-index": ("UV_NO_INDEX",),
}
"""Setting of pip -> variable of uv that says the same, and an older name of it."""
_SYSTEM_FILES: Final = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_UV_FILES: Final = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml")
_URL_ACCOUNT: Final = re.compile(r"(?<=://)([^/@\s'\"]+)@")
_SECRET_NAMES: Final = re.compile(r"PASSWORD|TOKEN|SECRET", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """What a tool gets to see of the index, and what nobody else may see."""

    pip: Mapping[str, str] = field(default_factory=dict)
    """Variables for pip."""
    uv: Mapping[str, str] = field(default_factory=dict)
    """Variables for uv."""
    secrets: tuple[str, ...] = ()
    certificates: Path | None = None

    def redact(self, text: str) -> str:
        """The text without passwords: those that are known, and any in an address."""
        text = _URL_ACCOUNT.sub(f"{HIDDEN}@", text)
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def read_settings(directory: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings of a credentials directory (or none) on top of the environment."""
    home = environ.get("HOME", "/nonexistent")
    given = {name: _file(directory, name) for name in ("pip.conf", "uv.toml", "ca.crt", "netrc")}
    files = [Path(name.replace("~", home)) for name in _SYSTEM_FILES]
    if environ.get("PIP_CONFIG_FILE") == os.devnull:
        files = []
    elif "PIP_CONFIG_FILE" in environ:
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    said = _pip_settings(files)
    said |= _named(environ)
    mounted = _pip_settings([given["pip.conf"]] if given["pip.conf"] else [])
    said |= mounted  # what was mounted for us wins over what was around
    pip = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in said.items()}
    pip["PIP_CONFIG_FILE"] = os.devnull  # all of it has been read
    uv = _uv(said, mounted, environ, given["uv.toml"], home)
    if given["netrc"] is not None:
        pip["NETRC"] = uv["NETRC"] = str(given["netrc"])
    netrc = given["netrc"] or Path(environ.get("NETRC", f"{home}/.netrc"))
    texts = [*said.values(), *uv.values()]
    texts += [value for name, value in environ.items() if name.startswith(("PIP_", "UV_"))]
    plain = [value for name, value in environ.items() if _secret_variable(name)]
    return Settings(pip, uv, _secrets(texts, netrc, plain), given["ca.crt"])


def trusted(certificates: Path, into: Path) -> dict[str, str]:
    """Variables that make both tools trust these certificates beside those of the system.

    :param into: file to write them all to
    """
    import ssl  # a third of what this package takes to load, and few need it

    bundle = certificates.read_bytes()
    places = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile)
    for place in places:
        if place and os.path.isfile(place):
            bundle += b"\n" + Path(place).read_bytes()
            break
    into.write_bytes(bundle)
    return dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(into))


def _file(directory: Path | None, name: str) -> Path | None:
    place = directory.absolute() / name if directory else None
    return place if place is not None and place.is_file() else None


def _pip_settings(files: Iterable[Path]) -> dict[str, str]:
    """What pip would read in these files, later ones over earlier ones."""
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                for name, value in parser.items(section):
                    found[name.replace("_", "-")] = " ".join(value.split())
    return found


def _named(environ: Mapping[str, str]) -> dict[str, str]:
    """PIP_* variables, under pip's names of them."""
    return {
        name[4:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value and name != "PIP_CONFIG_FILE"
    }


def _uv(
    said: Mapping[str, str],
    mounted: Mapping[str, str],
    environ: Mapping[str, str],
    file: Path | None,
    home: str,
) -> dict[str, str]:
    """The variables of uv for pip's settings."""
    found = {}
    for name, variables in _FOR_UV.items():
        if name in mounted or (name in said and not any(v in environ for v in variables)):
            found[variables[0]] = said[name]
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    if "UV_NO_INDEX" in found:
        found["UV_NO_INDEX"] = "0" if said["no-index"].lower() in ("0", "no", "false") else "1"
    if "cert" in said and "SSL_CERT_FILE" not in environ:
        found["SSL_CERT_FILE"] = said["cert"]
    usual = [Path(environ["UV_CONFIG_FILE"])] if "UV_CONFIG_FILE" in environ else []
    usual += [Path(name.replace("~", home)) for name in _UV_FILES]
    chosen = file or next((place for place in usual if place.is_file()), None)
    if chosen is not None:
        found["UV_CONFIG_FILE"] = str(chosen)
    else:  # else uv takes the pyproject.toml of any directory above
        found["UV_NO_CONFIG"] = "1"
    return found


def _secret_variable(name: str) -> bool:
    return name.startswith(("PIP_", "UV_")) and _SECRET_NAMES.search(name) is not None


def _secrets(texts: Iterable[str], netrc: Path, plain: Iterable[str]) -> tuple[str, ...]:
    """Passwords, as they stand and decoded; short ones are left: they would hide words."""
    found = set(plain)
    for text in texts:
        for account in _URL_ACCOUNT.findall(text):
            found.add(account)
            found.add(account.partition(":")[2] or account)
    try:
        words = netrc.read_text().split()
    except (OSError, UnicodeDecodeError):
        words = []
    found |= {words[i + 1] for i, word in enumerate(words[:-1]) if word == "password"}
    found |= {unquote(secret) for secret in found}
    return tuple(sorted((s for s in found if len(s) > 3), key=len, reverse=True))
