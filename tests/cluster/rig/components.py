"""The programs of a rig: command lines and configuration files. No processes here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .slots import Slot

CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
NODE: Final = ("containerd", "kubelet", "kube-proxy", "coredns")

NODE_NAME: Final = "n0"
ETCD: Final = "http://127.0.0.1:2379"
ETCD_PEERS: Final = "http://127.0.0.1:2380"
CONTAINERD_SOCKET: Final = "/run/containerd/containerd.sock"
"""The same in every rig: each has a /run of its own."""
PAUSE_IMAGE: Final = "localhost/pause:1"


@dataclass(frozen=True)
class Layout:
    """Where a rig keeps what, and what it is called."""

    slot: Slot
    data: Path
    binaries: Path
    audit: bool = True

    @property
    def pki(self) -> Path:
        return self.data / "pki"

    @property
    def api_url(self) -> str:
        return f"https://{self.slot.address}:6443"

    @property
    def audit_log(self) -> Path:
        return self.data / "audit.log"

    def log(self, name: str) -> Path:
        return self.data / "log" / f"{name}.log"

    def kubeconfig(self, user: str) -> Path:
        return self.pki / f"{user}.kubeconfig"


def command(layout: Layout, name: str) -> list[str]:
    """The command line of a component."""
    return {
        "etcd": _etcd,
        "kube-apiserver": _apiserver,
        "kube-controller-manager": _controller_manager,
        "kube-scheduler": _scheduler,
        "containerd": _containerd,
        "kubelet": _kubelet,
        "kube-proxy": _proxy,
        "coredns": _coredns,
    }[name](layout)


def write_configuration(layout: Layout) -> None:
    """The files that the command lines name."""
    (layout.data / "log").mkdir()
    files = {
        "audit-policy.json": _audit_policy(),
        "containerd.toml": containerd_toml(layout.data / "containerd", "cni"),
        "cni/10-rig.conflist": _cni(layout),
        "kubelet.json": _kubelet_configuration(layout),
        "resolv.conf": "nameserver 127.0.0.1\n",
        "Corefile": _corefile(layout),
    }
    for name, text in files.items():
        path = layout.data / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def _etcd(layout: Layout) -> list[str]:
    return [
        str(layout.binaries / "etcd"),
        "--name=n0",
        f"--data-dir={layout.data / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEERS}",
        f"--initial-advertise-peer-urls={ETCD_PEERS}",
        f"--initial-cluster=n0={ETCD_PEERS}",
        "--quota-backend-bytes=4294967296",
        "--auto-compaction-retention=1",
        # What a rig holds need not survive a power cut, and disks of test machines are slow.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    audit = [
        f"--audit-policy-file={layout.data / 'audit-policy.json'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=1000",
    ]
    return [
        str(layout.binaries / "kube-apiserver"),
        f"--etcd-servers={ETCD}",
        "--secure-port=6443",
        "--bind-address=0.0.0.0",
        f"--advertise-address={layout.slot.address}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={pki / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--service-cluster-ip-range={layout.slot.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,PodSecurity",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        *(audit if layout.audit else []),
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki, kubeconfig = layout.pki, layout.kubeconfig("controller-manager")
    return [
        str(layout.binaries / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={layout.slot.pods}",
        "--node-cidr-mask-size=24",
        f"--service-cluster-ip-range={layout.slot.services}",
        # At the usual 20 requests a second a benchmark would measure this program.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-statefulset-syncs=20",
        "--concurrent-job-syncs=20",
    ]


def _scheduler(layout: Layout) -> list[str]:
    kubeconfig = layout.kubeconfig("scheduler")
    return [
        str(layout.binaries / "kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]


def _containerd(layout: Layout) -> list[str]:
    return ["containerd", "--config", str(layout.data / "containerd.toml")]


def _kubelet(layout: Layout) -> list[str]:
    return [
        str(layout.binaries / "kubelet"),
        f"--config={layout.data / 'kubelet.json'}",
        f"--kubeconfig={layout.kubeconfig('kubelet')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={layout.slot.address}",
        f"--root-dir={layout.data / 'kubelet'}",
    ]


def _proxy(layout: Layout) -> list[str]:
    return [
        str(layout.binaries / "kube-proxy"),
        f"--kubeconfig={layout.kubeconfig('proxy')}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={layout.slot.pods}",
        f"--hostname-override={NODE_NAME}",
        # These belong to the whole machine and cannot be set from a network namespace.
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]


def _coredns(layout: Layout) -> list[str]:
    return [str(layout.binaries / "coredns"), "-conf", str(layout.data / "Corefile")]


def _audit_policy() -> str:
    """Who wrote what, without the bodies: a few microseconds per write, none per read."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata"},
        ],
    }
    return json.dumps(policy)


def containerd_toml(root: Path, cni: str) -> str:
    """containerd's configuration; `cni` is the directory beside `root` of its networks."""
    return f"""\
version = 2
root = "{root}"
state = "/run/containerd/state"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Lowering the score is not permitted everywhere; without it a pod starts all the same.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root.parent / cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _cni(layout: Layout) -> str:
    """Every pod on a cable of its own: all its traffic passes the node's rules.

    On a bridge the answers of one pod to another would pass them by, unless the kernel
    has br_netfilter, and a ClusterIP would not answer.
    """
    node_pods = next(layout.slot.pods.subnets(new_prefix=24))
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.data / "addresses"),
        "ranges": [[{"subnet": str(node_pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": True, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": "rig", "plugins": plugins})


def _kubelet_configuration(layout: Layout) -> str:
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": True,
        "cgroupRoot": f"/{layout.slot.cgroup}",
        "enforceNodeAllocatable": ["pods"],
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [layout.slot.address],
        "resolvConf": str(layout.data / "resolv.conf"),
        "volumePluginDir": str(layout.data / "kubelet-plugins"),
        "maxPods": 250,
        # Images come from no registry: what is collected here does not come back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    }
    return json.dumps(configuration)


def _corefile(layout: Layout) -> str:
    """Names of the cluster; every other name does not exist, and says so at once."""
    return f"""\
.:53 {{
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {layout.kubeconfig("dns")} rig
        ttl 0
    }}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
