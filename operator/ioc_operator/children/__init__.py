"""What is made for a task, a job or a namespace: pure builders of plain objects.

The same input gives the same output, byte for byte. Every object carries a hash of
itself (`applied`), so that what is live need not be compared field by field.
"""

from ioc_operator.children.account import namespace_children
from ioc_operator.children.check import check_children
from ioc_operator.children.job import job_children
from ioc_operator.children.stamp import stamp
from ioc_operator.children.task import task_children

__all__ = ["check_children", "job_children", "namespace_children", "stamp", "task_children"]
