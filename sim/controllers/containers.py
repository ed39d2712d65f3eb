"""The state of a Pod's first container: how it ended, and when it starts again.

The fields and texts are those of a kubelet (Kubernetes 1.36, pkg/kubelet/kuberuntime
and pkg/kubelet/images).
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ..api.kinds import named
from ..api.objects import Json, Key, dig, timestamp
from ..api.server import ClusterApi

_Change: TypeAlias = Callable[[Json], Json]
CRASH_LOOP = "CrashLoopBackOff"
OOM_KILLED = "OOMKilled"


class End(NamedTuple):
    """The end of a container."""

    status: int
    """The exit status, or the negative number of a signal."""
    reason: str = ""
    """The reason, if the status does not say it."""

    @property
    def exit_code(self) -> int:
        """The exit code: 128 and the number of a signal."""
        return self.status if self.status >= 0 else 128 - self.status

    @property
    def reason_in_status(self) -> str:
        """The reason in the status of a container."""
        return self.reason or ("Error" if self.status else "Completed")


def ended(cluster: ClusterApi, key: Key, end: End) -> None:
    """Write that the container of a Pod has ended."""
    now = timestamp(cluster.now())

    def change(container: Json) -> Json:
        terminated = {
            "exitCode": end.exit_code,
            "reason": end.reason_in_status,
            "startedAt": dig(container, "state.running.startedAt") or now,
            "finishedAt": now,
        }
        state = {"terminated": terminated}
        return {**container, "ready": False, "started": False, "state": state}

    _change(cluster, key, change)


def waits(cluster: ClusterApi, key: Key, delay_s: float) -> None:
    """Write that the container starts again only after a back-off."""
    pod = cluster.find("Pod", *key)
    if pod is None:
        return
    namespace, name = key
    about = f"pod={name}_{namespace}({pod['metadata']['uid']})"

    def change(container: Json) -> Json:
        text = f"restarting failed container={container['name']} {about}"
        waiting = {"reason": CRASH_LOOP, "message": f"back-off {delay_s:g}s {text}"}
        last = {"lastState": container["state"]}
        return {**container, **last, "state": {"waiting": waiting}}

    _change(cluster, key, change)


def restarted(cluster: ClusterApi, key: Key) -> None:
    """Write that the container runs again."""
    running = {"running": {"startedAt": timestamp(cluster.now())}}

    def change(container: Json) -> Json:
        state = container["state"]
        last = state if "terminated" in state else container.get("lastState") or {}
        count = container["restartCount"] + 1
        new = {"lastState": last, "restartCount": count, "started": True}
        return {**container, **new, "state": running}

    _change(cluster, key, change)


def _change(cluster: ClusterApi, key: Key, change: _Change) -> None:
    pod = cluster.find("Pod", *key)
    if pod is None or not dig(pod, "status.containerStatuses"):
        return
    first, *rest = pod["status"]["containerStatuses"]
    status = {**pod["status"], "containerStatuses": [change(first), *rest]}
    cluster.commit(named("Pod"), {**pod, "status": status})
