"""Jobs: Pods that run to their end, again after failures, within limits.

A Pod ends when its phase is Succeeded or Failed. After the n-th failure the next Pod
waits for 10 s times 2^(n-1), at most 10 minutes (Kubernetes, pkg/controller/job).
"""

from collections.abc import Iterator

from ..api.kinds import named
from ..api.objects import (
    Json,
    Key,
    condition,
    controller_of,
    dig,
    is_terminating,
    key_of,
    seconds,
    timestamp,
)
from ..api.server import ClusterApi
from ..api.store import Change
from .replicasets import is_ready, new_pod, pods_of

BACKOFF_S = 10.0
MAX_BACKOFF_S = 600.0
_LIMIT = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
_DEADLINE = "DeadlineExceeded", "Job was active longer than specified deadline"
_REACHED = "CompletionsReached", "Reached expected number of succeeded pods"


def phase_of(pod: Json) -> str:
    """Return the phase of a Pod."""
    return str(dig(pod, "status.phase") or "Pending")


def is_finished(job: Json) -> bool:
    """Return whether a Job is Complete or Failed."""
    return "True" in (condition(job, "Complete"), condition(job, "Failed"))


class JobController:
    """Creates the Pods of Jobs, one per step, and ends Jobs in time."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._wakes: set[tuple[Key, float]] = set()

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "Job" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "Pod":
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "Job":
                self._reconcile((namespace, owner["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step; a step is a write, whose change leads here again."""
        job = self._cluster.find("Job", *key)
        if job is None or is_terminating(job):
            return
        if is_finished(job):
            self._expire(job)
            return
        pods = pods_of(self._cluster, job)
        active = [pod for pod in pods if phase_of(pod) in ("Pending", "Running")]
        status = self._counted(job, pods, active)
        end = self._end(job, status)
        is_suspended = bool(job["spec"].get("suspend"))
        if active and (end is not None or is_suspended):
            self._cluster.delete("Pod", *key_of(active[0]))
        elif end is not None:
            self._write(job, {**status, **self._ended(*end)})
        elif not is_suspended and self._may_create(job, status, pods):
            prefix = f"{key[1]}-"
            template = job["spec"]["template"]
            self._cluster.create(new_pod(job, template, generateName=prefix))
        else:
            self._write(job, status)

    def _counted(self, job: Json, pods: list[Json], active: list[Json]) -> Json:
        """Return the status of a Job that goes on, with the numbers of its Pods."""
        old = job.get("status") or {}
        phases = [phase_of(pod) for pod in pods]
        counts = {
            "active": len(active),
            # a Pod that was deleted after its end still counts
            "succeeded": max(phases.count("Succeeded"), old.get("succeeded", 0)),
            "failed": max(phases.count("Failed"), old.get("failed", 0)),
        }
        started = {} if job["spec"].get("suspend") else {"startTime": self._now()}
        return {
            **started,
            **{k: v for k, v in old.items() if k == "startTime"},
            **{k: v for k, v in counts.items() if v},
            "ready": sum(map(is_ready, active)),
            "terminating": 0,
            "uncountedTerminatedPods": {},
        }

    def _end(self, job: Json, status: Json) -> tuple[str, str, str] | None:
        """Return the condition, reason and message with which a Job ends, or None."""
        spec, succeeded = job["spec"], status.get("succeeded", 0)
        if status.get("failed", 0) > spec["backoffLimit"]:
            return ("Failed", *_LIMIT)
        limit = spec.get("activeDeadlineSeconds")
        if limit is not None and "startTime" in status:
            due = seconds(status["startTime"]) + limit
            if self._is_due(key_of(job), due):
                return ("Failed", *_DEADLINE)
        completions = spec.get("completions")
        if completions is None:  # a work queue is done when one Pod has succeeded
            done = succeeded > 0 and not status.get("active")
        else:
            done = succeeded >= completions
        return ("Complete", *_REACHED) if done else None

    def _may_create(self, job: Json, status: Json, pods: list[Json]) -> bool:
        """Return whether another Pod is missing, and its backoff is over."""
        spec, active = job["spec"], status.get("active", 0)
        succeeded, completions = status.get("succeeded", 0), spec.get("completions")
        if completions is None:
            wanted = active if succeeded else spec["parallelism"]
        else:
            wanted = min(spec["parallelism"], completions - succeeded)
        if active >= wanted:
            return False
        failures = [pod for pod in pods if phase_of(pod) == "Failed"]
        if not failures:
            return True
        pause = min(BACKOFF_S * 2.0 ** (len(failures) - 1), MAX_BACKOFF_S)
        return self._is_due(key_of(job), max(map(_end_of, failures)) + pause)

    def _ended(self, kind: str, reason: str, message: str) -> Json:
        """Return the fields of the status of a Job that has ended."""
        now = self._now()
        is_complete = kind == "Complete"
        first = "SuccessCriteriaMet" if is_complete else "FailureTarget"
        return {
            **({"completionTime": now} if is_complete else {}),
            "conditions": [
                {
                    "type": name,
                    "status": "True",
                    "lastProbeTime": now,
                    "lastTransitionTime": now,
                    "reason": reason,
                    "message": message,
                }
                for name in (first, kind)
            ],
        }

    def _expire(self, job: Json) -> None:
        """Delete a finished Job after ttlSecondsAfterFinished."""
        limit = job["spec"].get("ttlSecondsAfterFinished")
        if limit is not None:
            due = max(map(seconds, _transitions(job))) + limit
            if self._is_due(key_of(job), due):
                self._cluster.delete("Job", *key_of(job))

    def _is_due(self, key: Key, due: float) -> bool:
        """Return whether a time is over; if not, reconcile the Job then."""
        now = self._cluster.now()
        if now >= due:
            return True
        if (key, due) not in self._wakes:
            self._wakes.add((key, due))
            self._cluster.later(due - now, lambda: self._wake(key, due))
        return False

    def _wake(self, key: Key, due: float) -> None:
        self._wakes.discard((key, due))
        self._reconcile(key)

    def _write(self, job: Json, status: Json) -> None:
        """Write the status of a Job, if it changed."""
        if status != job.get("status"):
            self._cluster.commit(named("Job"), {**job, "status": status})

    def _now(self) -> str:
        return timestamp(self._cluster.now())


def _transitions(job: Json) -> Iterator[str]:
    """Yield the times at which the conditions of a Job changed."""
    for entry in job["status"]["conditions"]:
        yield entry["lastTransitionTime"]


def _end_of(pod: Json) -> float:
    """Return when the last container of a Pod ended, in seconds since the epoch."""
    ends = [
        dig(status, "state.terminated.finishedAt")
        for status in dig(pod, "status.containerStatuses") or ()
    ]
    return max((seconds(end) for end in ends if end), default=0.0)
