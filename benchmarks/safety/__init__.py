"""The safety defects of iocmng 2.7.9, as stories that any system can be put through.

``python -m benchmarks.safety`` runs each story against real CA and PVA, with iocmng
2.7.9 and with this runtime, and prints what was seen. Both get the same story: the
same field IOC, the same puts, the same watching client. Only the task is written
twice, because the two systems read different files.
"""
