"""What a file of a release consists of is told from the packages' own lists."""

from __future__ import annotations

import io
import json
import tarfile
from email import message_from_string
from email.message import Message
from hashlib import sha256

from scripts.sbom import debian
from scripts.sbom import distributions as python
from scripts.sbom.component import Component, deb, pypi
from scripts.sbom.document import document
from scripts.sbom.image import content

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Depends: libgcc-s1, libcrypt1 (>= 1:4.4.10-10~)

Package: libgcc-s1
Status: install ok installed
Architecture: amd64
Version: 12.2.0-14
Depends: gcc-12-base (= 12.2.0-14), libc6 (>= 2.35)

Package: git
Status: install ok installed
Architecture: amd64
Version: 1:2.39.5-0+deb12u2
Pre-Depends: libc6:any
Depends: perl | libgcc-s1,
 nothing

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def package(name: str, version: str = "1", *requires: str) -> Message:
    lines = [f"Name: {name}", f"Version: {version}", "License-Expression: MIT"]
    return message_from_string(
        "\n".join(lines + [f"Requires-Dist: {r}" for r in requires]) + "\n\n"
    )


def test_debian_packages_are_those_that_are_installed_with_what_they_need():
    found = {each.name: each for each in debian.components(STATUS, "debian-12")}
    assert {*found} == {"libc6", "libgcc-s1", "git"}
    assert found["git"].purl == (
        "pkg:deb/debian/git@1%3A2.39.5-0%2Bdeb12u2?arch=amd64&distro=debian-12"
    )
    assert found["git"].requires == (found["libc6"].purl, found["libgcc-s1"].purl)
    assert found["libc6"].requires == (found["libgcc-s1"].purl,)


def test_python_packages_require_what_is_there_and_asked_for_on_linux():
    made = python.components(
        [
            package("A_b", "1", "c.d>=1; python_version>='3.8'", "e; extra=='x'"),
            package("c-d", "2", "win; sys_platform=='win32'"),
            package("e", "3"),
        ]
    )
    found = {each.name: each for each in made}
    assert found["a-b"].purl == "pkg:pypi/a-b@1"
    assert found["a-b"].licence == "MIT"
    assert found["a-b"].requires == ("pkg:pypi/c-d@2",)
    assert found["c-d"].requires == ()


def test_a_package_inside_another_is_listed_and_the_one_outside_is_required():
    made = python.components(
        [package("wheel", "0.1"), package("wheel", "0.9"), package("a", "1", "wheel")]
    )
    assert {each.purl for each in made} == {
        "pkg:pypi/wheel@0.1",
        "pkg:pypi/wheel@0.9",
        "pkg:pypi/a@1",
    }
    assert made[-1].requires == ("pkg:pypi/wheel@0.9",)


def test_the_same_content_makes_the_same_document_and_other_content_another():
    one, two = Component("a", "1", pypi("a", "1")), Component("b", "1", pypi("b", "1"), "MIT")
    about = Component("file", "1", pypi("file", "1"), "MIT", (one.purl, two.purl))
    text = document(about, [two, one], time=0, kind="library", sha256="0" * 64)
    assert text == document(about, [one, two], time=0, kind="library", sha256="0" * 64)
    made = json.loads(text)
    assert made["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert [each["name"] for each in made["components"]] == ["a", "b"]
    assert made["dependencies"][0] == {"ref": about.purl, "dependsOn": [one.purl, two.purl]}
    other = json.loads(document(about, [one], time=0, kind="library", sha256="0" * 64))
    assert other["serialNumber"] != made["serialNumber"]


def layer(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def layout(*layers: bytes) -> dict[str, bytes]:
    """An OCI layout with one image."""
    files: dict[str, bytes] = {}

    def blob(text: bytes) -> str:
        digest = sha256(text).hexdigest()
        files[f"blobs/sha256/{digest}"] = text
        return f"sha256:{digest}"

    manifest = {"layers": [{"digest": blob(each)} for each in layers]}
    index = {"manifests": [{"digest": blob(json.dumps(manifest).encode())}]}
    files["index.json"] = json.dumps(index).encode()
    return files


def test_an_image_holds_what_its_last_layer_leaves():
    site = "opt/ioc/lib/python3.11/site-packages"
    files = layout(
        layer(
            **{
                "./var/lib/dpkg/status": "old",
                "./usr/lib/os-release": 'ID=debian\nVERSION_ID="12"\n',
                f"{site}/a-1.dist-info/METADATA": "Name: a\nVersion: 1\n\n",
                f"{site}/b-1.dist-info/METADATA": "Name: b\nVersion: 1\n\n",
                f"{site}/c-1.dist-info/METADATA": "Name: c\nVersion: 1\n\n",
            }
        ),
        layer(
            **{
                "var/lib/dpkg/status": STATUS,
                f"{site}/.wh.a-1.dist-info": "",
                f"{site}/b-1.dist-info/.wh..wh..opq": "",
                f"{site}/setuptools/_vendor/d-2.dist-info/METADATA": "Name: d\nVersion: 2\n\n",
                f"{site}/d-1.dist-info/METADATA": "Name: d\nVersion: 1\n\n",
            }
        ),
    )
    found = content(lambda name: files[name])
    assert found.status == STATUS
    assert found.distribution == "debian-12"
    names = [f"{each['Name']} {each['Version']}" for each in found.python]
    assert sorted(names) == ["c 1", "d 1", "d 2"]
    assert names.index("d 2") < names.index("d 1")
    assert f"blobs/{found.digest.replace(':', '/')}" in files


def test_names_and_versions_are_written_as_package_urls_want_them():
    assert pypi("a", "1.0+local") == "pkg:pypi/a@1.0%2Blocal"
    assert deb("libstdc++6", "1", "all", "debian-12").startswith("pkg:deb/debian/libstdc%2B%2B6@1?")
