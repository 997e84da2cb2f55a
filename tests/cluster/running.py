"""An operator that a test can kill and start again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from cluster.operator_process import NAMESPACE, OperatorProcess, operator
from cluster.rig import RUNTIME_IMAGE


class Operator:
    """One operator after the other, with the same flags; use it in a `with` block."""

    def __init__(self, kubeconfig: Path, directory: Path, *flags: str) -> None:
        self._kubeconfig, self._directory = kubeconfig, directory
        own = ("--runtime-image", RUNTIME_IMAGE, "--lease-namespace", NAMESPACE)
        self._flags = (*own, *flags)
        self._stack = ExitStack()
        self.process: OperatorProcess

    def __enter__(self) -> Operator:
        try:
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.popen.poll() is None:
            self.process.stop()
        self._stack.close()

    def start(self, environment: dict[str, str] | None = None, *, lead: bool = True) -> None:
        """Start one, and wait until it leads (unless `lead` is false)."""
        self.process = self._stack.enter_context(
            operator(self._kubeconfig, self._directory, *self._flags, environment=environment)
        )
        if lead:
            self.process.leads()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    @property
    def log(self) -> str:
        """All it has said."""
        return self.process.log
