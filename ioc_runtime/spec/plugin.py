"""The Python code of a task or job: where it comes from, how it is run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ioc_runtime.spec.base import NAME_PATTERN, Model, Name, ObjectName, Word

INLINE_BYTES = 180 * 1024
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"

FileName = Annotated[str, Field(max_length=253, pattern=FILE_PATTERN)]
RequirementText = Annotated[str, Field(min_length=1, max_length=500)]
FileText = Annotated[str, Field(max_length=INLINE_BYTES)]


class SecretRef(Model):
    """A Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class Git(Model):
    """A Git repository, fetched before the runtime starts."""

    url: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="Address: https, ssh, or a path that the init container sees. No password "
        "in it: it belongs into the Secret."
    )
    ref: Word = Field("HEAD", description="Branch, tag or commit; resolved once to a commit.")
    path: str = Field("", max_length=1024, description="Directory of the plugin inside it.")
    secret_ref: SecretRef | None = Field(
        None,
        description="Credentials: `password` (or a token) and `username`, or `identity` and "
        "`known_hosts`; `ca.crt` for a server of your own.",
    )
    submodules: bool = Field(False, description="Whether submodules are fetched too.")


class Inline(Model):
    """Files that stand in the manifest itself, at most 180 KiB in all."""

    files: dict[FileName, FileText] = Field(
        min_length=1, max_length=100, description="Text of each file, by its relative path."
    )


class ConfigMapSource(Model):
    """A ConfigMap of the same namespace whose keys are the files."""

    name: ObjectName = Field(description="Name of the ConfigMap.")


class ImageSource(Model):
    """A directory that the runtime sees: in its image, or on a laptop."""

    path: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Path of the directory; `iocctl` reads a relative one from the manifest's."
    )


class Plugin(Model):
    """User's code; exactly one source."""

    git: Git | None = Field(None, description="A Git repository.")
    inline: Inline | None = Field(None, description="Files in the manifest.")
    config_map: ConfigMapSource | None = Field(None, description="A ConfigMap with the files.")
    image: ImageSource | None = Field(None, description="A directory the runtime sees.")
    builtin: Word | None = Field(None, description="Name of a plugin the runtime brings.")
    class_name: str | None = Field(
        None,
        alias="class",
        max_length=200,
        pattern=NAME_PATTERN,
        description="Class to use; by default the only one the plugin's own modules define.",
    )
    requirements: list[RequirementText] = Field(
        default_factory=list,
        max_length=200,
        description="Python packages it needs beside those of the image, as `scipy>=1.14,<2`.",
    )
    requirements_from: FileName | None = Field(
        None,
        description="A requirements.txt or pyproject.toml of the plugin that names more of them.",
    )
    functions: list[Name] = Field(
        default_factory=list,
        max_length=200,
        description="Functions it registers for expressions.",
    )
    max_failures: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Failures in a row of one hook after which the task ends with exit code 12; "
        "none by default.",
    )
    isolation: Literal["thread", "process"] = Field(
        "thread", description="Where its code runs: in a thread, or in a child process."
    )
    config: FileName | None = Field(
        None,
        description="A config.yaml of iocmng in the plugin's directory that says what inputs, "
        "outputs, transforms, rules and mode there are; the manifest then has none of them, and "
        "its parameters are merged over those of the file.",
    )
    update_policy: Literal["Pinned", "OnRestart"] = Field(
        "Pinned", description="When a Git ref is resolved again: never, or at each restart."
    )


SOURCES = ("git", "inline", "config_map", "image", "builtin")
