"""A real Kubernetes cluster on this machine, for tests and for people (docs/cluster.md).

Standard library only: it starts with a bare python3. Everything of a rig lives in
network, mount and process namespaces of its own and ends with one process.
"""

from .host import RigError, why_not
from .images import OPERATOR_IMAGE, RUNTIME_IMAGE
from .rig import Rig, build

__all__ = ["OPERATOR_IMAGE", "RUNTIME_IMAGE", "Rig", "RigError", "build", "why_not"]
