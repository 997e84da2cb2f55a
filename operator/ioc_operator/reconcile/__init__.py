"""From what is known to what is wanted: one look at one custom resource at a time."""

from ioc_operator.reconcile.reconciler import Reconciler

__all__ = ["Reconciler"]
