"""A manifest from the body of its spec."""

from __future__ import annotations

import textwrap

from ioc_runtime.compile import Compiled, ManifestError, Problem, compile_text

HEAD = """\
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: t}
spec:
"""


def task(spec: str) -> str:
    """A whole manifest around the fields of a spec."""
    return HEAD + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"


def job(spec: str, name: str = "j") -> str:
    """A whole manifest of a job around the fields of a spec, with a plugin of one file."""
    head = HEAD.replace("IocTask", "IocJob").replace("{name: t}", f"{{name: {name}}}")
    code = 'plugin: {inline: {files: {scan.py: ""}}}\n'
    fields = textwrap.dedent(spec).strip("\n") + "\n"
    return head + textwrap.indent(fields + code * ("plugin:" not in spec), "  ")


def compiled(spec: str, **more: object) -> Compiled:
    """The one task of a manifest that passes."""
    (one,) = compile_text(task(spec), **more)  # type: ignore[arg-type]
    return one


def problems(text: str) -> tuple[Problem, ...]:
    """What is wrong with a manifest that does not pass."""
    try:
        compile_text(text, file="t.yaml")
    except ManifestError as error:
        return error.problems
    raise AssertionError("the manifest passes")
