"""What is true of a task or job, worked out from what is known: pure functions."""

from ioc_operator.status.job import job_status
from ioc_operator.status.pod import Container, Ended, Pod, read_pod
from ioc_operator.status.task import Status, task_status
from ioc_operator.status.transitions import Event, transitions
from ioc_operator.status.view import (
    ApplyError,
    BatchJob,
    Check,
    Conflict,
    Facts,
    JobView,
    Run,
    View,
    read_job,
)

__all__ = [
    "ApplyError",
    "Check",
    "BatchJob",
    "Conflict",
    "Container",
    "Ended",
    "Event",
    "Facts",
    "JobView",
    "Pod",
    "Run",
    "Status",
    "View",
    "job_status",
    "read_job",
    "read_pod",
    "task_status",
    "transitions",
]
