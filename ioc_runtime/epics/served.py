"""The PVs of a task, served over Channel Access and PV Access.

Order of things: `Served(plan, ...)` declares the records; `serve()` loads them into
the EPICS database of this process, checks that they are laid out as the writer
relies on, looks for the names on the network, and starts the servers. Records start
UDF and INVALID with the present time and stay so until they are written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from ioc_runtime.engine.values import ELEMENT_MAX
from ioc_runtime.epics import access, audit
from ioc_runtime.epics.cabi import db, stdio
from ioc_runtime.epics.cabi.db import DatabaseError
from ioc_runtime.epics.cabi.memory import LayoutError, RecordMemory
from ioc_runtime.epics.connections import INPUTS, OUTPUTS, Connections
from ioc_runtime.epics.declare import (
    ARRAYS,
    Record,
    database,
    declare,
    holds,
    late_texts,
)
from ioc_runtime.epics.edits import Edits, edits
from ioc_runtime.epics.layout import Layouts
from ioc_runtime.epics.operators import OperatorRecord, Operators
from ioc_runtime.epics.settle import Settler
from ioc_runtime.epics.together import ENOUGH, Together
from ioc_runtime.epics.trigger import Trigger, memories
from ioc_runtime.epics.writer import Write, stamp_now, writer
from ioc_runtime.plan import Plan, Severity, Value
from ioc_runtime.standard import LINES, STATS_PREFIX, TRIGGERED, standard_of

__all__ = ["DatabaseError", "LayoutError", "NameTaken", "Search", "Served"]

Search = Callable[[list[str]], list[tuple[str, str]]]
"""Given the full names we are about to serve: those that answer already, and who answers."""

_log = logging.getLogger(__name__)
_c_output = logging.getLogger("epics")
_NAMES_SHOWN: Final = 8


class NameTaken(Exception):
    """Names we should serve are served by somebody else; the text names both."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        self.found = list(found)
        shown = ", ".join(f"{name} (by {who})" for name, who in self.found[:_NAMES_SHOWN])
        more = len(self.found) - _NAMES_SHOWN
        super().__init__(
            "these names are served already: " + shown + (f" and {more} more" if more > 0 else "")
        )


class Served:
    """Records of one plan. Writers may be called from any thread, one thread at a time.

    Two threads that write one signal at the same time can stop the process for good:
    the task's lock must be around every call of `post`, `rule` and `writers`.

    `on_put(name, value)` is told of each put on an operators' PV (name without
    prefix), in order, in a thread of its own. For a set-point the value may be one that
    its signal does not have: answer with `restore`. CLEAR and RESET come as 1 and are
    put back to 0 before, TRIGGER as None: `trigger` knows the puts on it.
    `on_audit(entry)` is told who put what, in another thread.
    """

    def __init__(
        self,
        plan: Plan,
        on_put: Callable[[str, Any], None],
        on_audit: Callable[[audit.Entry], None] | None = None,
    ) -> None:
        self._plan = plan
        self._on_audit = on_audit
        self._signals, self._rules, self._standard = declare(plan)
        self._holds = holds(plan)
        self.trigger: Trigger | None = None
        """TRIGGER and BUSY of a task in triggered mode, from `serve` on."""
        self._sizes = {record.name: record.size for record in self._standard if record.size}
        self._by_name: dict[str, OperatorRecord] = {}
        self._memories: dict[str, RecordMemory] = {}
        self._on_put = on_put
        self._operators: Operators | None = None
        self._settler = Settler()
        self._acf: db.AccessFile | None = None
        self._connections = Connections(plan, self.standard, self._sizes)
        self.writers: list[Write] = []
        """One function per slot (inputs, then outputs): the same as `post`, faster."""
        self.rule_writers: list[Write] = []
        """One function per rule, in the order of the plan."""
        self.together: Together | None = None
        """Lock of all that the two below write; None for a task too small to need it."""
        self.joint_writers: list[Write] = []
        self.joint_rule_writers: list[Write] = []
        """As `writers` and `rule_writers`, for use while `together` is locked."""
        self.standard_writers: dict[str, Write] = {}
        """One function per standard PV, by name."""
        self.warnings: list[str] = []
        """What an operator of the task should know about how it is served."""

    @property
    def names(self) -> list[str]:
        """Full names of all records and aliases."""
        prefix = self._plan.prefix
        return [
            prefix + name
            for record in (*self._records, *self._holds)
            for name in (record.name, *record.aliases)
        ]

    @property
    def records(self) -> list[Record]:
        """All records but those of `database` and devIocStats."""
        return self._records

    @property
    def _records(self) -> list[Record]:
        return [*self._signals, *self._rules, *self._standard]

    def serve(self, search: Search | None = None) -> None:
        """Start to serve. Takes 0.6 s, most of which EPICS sleeps; `search` runs meanwhile.

        :raises NameTaken: somebody else serves a name of ours.
        :raises LayoutError: EPICS lays records out in a way the writer does not know.
        :raises AccessError: the plan's access rules cannot be used.
        :raises DatabaseError: EPICS refuses the records.
        """
        stdio.redirect_stdout(self._printed)
        db.prepare()
        self._load()
        self._secure()
        found = _during(db.build, search, self.names)
        if found:
            raise NameTaken(found)
        self._bind()
        db.run()

    def _load(self) -> None:
        plan = self._plan
        db.load_records(
            database(plan.prefix, [*self._records, *self._holds]), "the records of the task"
        )
        if plan.ioc_stats:
            db.load_stats(plan.prefix + STATS_PREFIX.rstrip(":"))
        for number, text in enumerate(plan.database):
            db.load_records(text, f"spec.database[{number}]")

    def _secure(self) -> None:
        rules = self._plan.access
        by_address = access.by_address(rules)
        addresses, lost = access.resolve(access.hosts_of(rules)) if by_address else ({}, [])
        for host in lost:
            self.warnings.append(
                f"access: the address of host {host} cannot be found; nobody there can write"
            )
        text = access.rules(rules, addresses)
        self._refuse_unprintable(access.trapped(text))
        self._acf = db.AccessFile(text, by_address=by_address, log_puts=self._on_audit is not None)

    def _refuse_unprintable(self, groups: frozenset[str]) -> None:
        """The put log reads past a record where it prints an array of floats."""
        if not self._plan.database:
            return
        for name, group in db.float_arrays():
            if (group or "DEFAULT") in groups:
                raise DatabaseError(
                    f"spec.database: record {name} is an array of floats in access group "
                    f"{group or 'DEFAULT'}, whose puts are trapped; expected {ARRAYS}"
                )

    def _bind(self) -> None:
        """Find the records, check them, make the writers, follow what operators write."""
        for field, text in late_texts(self._plan.prefix, self._records):
            db.set_text(field, text)
        layouts = Layouts()
        # Who waits for a record's lock and keeps the interpreter must not wait for
        # another Python thread. So only what the task's lock alone guards keeps it: a
        # set-point is written by the thread of puts too, a block posted again by that
        # of the settler. And a database of the user's own can join
        # our records' locks to records that do anything.
        guarded = {record.name for record in (*self._signals, *self._rules)}
        cycle = {pv.name for pv in TRIGGERED}
        if self._plan.database:
            guarded = cycle = set()
        self._operators = Operators(self._heard)
        bound: list[Write] = []
        joint: list[tuple[Record, RecordMemory, Write]] = []
        standard = {record.name for record in self._standard}
        for record in self._records:
            keep = record.name in guarded and not record.operator and not record.block
            own = keep or record.name in cycle and not record.block
            memory = layouts.memory(self._plan.prefix, record, keep_interpreter=own)
            stamp_now(memory)
            self._memories[record.name] = memory
            bound.append(self._writer(record, memory, record.name in standard))
            if keep:
                joint.append((record, memory, bound[-1]))
        slots, rules = len(self._signals), len(self._rules)
        self.writers = bound[:slots]
        self.rule_writers = bound[slots : slots + rules]
        self.standard_writers = dict(
            zip((record.name for record in self._standard), bound[slots + rules :], strict=True)
        )
        if len(joint) >= ENOUGH:
            self._join(joint, bound[: slots + rules])
        self._first_values()
        if self._holds:
            self.trigger = self._bind_trigger()
            self._operators.follow_count(self.trigger, lambda: self._on_put("TRIGGER", None))
        self._operators.start()
        self._settler.start()

    def _bind_trigger(self) -> Trigger:
        (held,) = (record.name for record in self._standard if record.held)
        return Trigger(
            (self._memories[held], self.standard_writers[held]),
            self.standard_writers["BUSY"],
            *memories(self._plan.prefix, self._holds, keep=self._memories[held].keeps),
        )

    def _join(
        self, joint: Sequence[tuple[Record, RecordMemory, Write]], alone: Sequence[Write]
    ) -> None:
        """Let large passes write the records that can be locked together."""
        self.together = Together(joint)
        inside = dict(zip((write for _, _, write in joint), self.together.writers, strict=True))
        writers = [inside.get(write, write) for write in alone]
        slots = len(self._signals)
        self.joint_writers, self.joint_rule_writers = writers[:slots], writers[slots:]

    def _writer(self, record: Record, memory: RecordMemory, standard: bool) -> Write:
        write = writer(record, memory, self._settler.watch(memory))
        if not record.operator or record.held or self._operators is None:
            return write
        one = OperatorRecord(record, memory, write)
        self._by_name[record.name] = one
        self._operators.follow(one, standard=standard)
        return one.write

    def _first_values(self) -> None:
        for pv in standard_of(self._plan.kind, self._plan.mode):
            if pv.value is not None:
                self.standard(pv.name, pv.value)
        self._connections.first()

    def _heard(self, name: str, value: Any) -> None:
        """A put; where the put log cannot name its author, the audit says so."""
        one = self._by_name[name]
        if not one.record.logged and self._on_audit is not None:
            self._on_audit(audit.nameless(one.memory.name, one.before, value))
        self._on_put(name, value)

    def close(self) -> None:
        """Report puts no more. The servers end with the process."""
        if self._operators is not None:
            self._operators.close()
            self._settler.close()

    def post(
        self, slot: int, value: Value | None, severity: Severity, status: int, ns: int
    ) -> None:
        """Write an input or output; None keeps the value and makes the record INVALID."""
        self.writers[slot](value, severity, status, ns)

    def rule(self, index: int, state: int, ns: int) -> None:
        """Show the state of a rule (`RuleState`)."""
        self.rule_writers[index](state, 0, 0, ns)

    def standard(
        self,
        name: str,
        value: Value | None,
        severity: Severity = 0,
        status: int = 0,
        ns: int = 0,
    ) -> None:
        """Write a standard PV by its name without prefix; time 0 is now.

        Texts that are too long are cut, and so are lines: people read them.
        """
        if isinstance(value, str):
            value = _cut(value, self._sizes[name])
        elif name.startswith("LOG:") and value is not None:
            value = [_cut(line, ELEMENT_MAX + 1) for line in value[:LINES]]
        self.standard_writers[name](value, severity, status, ns)

    def edits(self, plan: Plan) -> Edits:
        """What another plan of the same shape changes in the records. Touches nothing."""
        return edits(self._signals, declare(plan)[0])

    def edit(self, edits: Edits) -> list[int]:
        """Make these changes; clients that follow the records see them, no PV goes away.

        Call it where `post` is called. Returns the slots whose value is to be posted
        again, because other limits or severities judge it now.
        """
        self._signals = edits.records
        again = []
        for change in edits.changes:
            try:
                self._memories[change.record].change(change.fields)
            except DatabaseError as error:
                _log.error("%s", error)
            operator = self._by_name.get(change.record)
            if change.judges and operator is None:
                again.append(change.slot)
            elif change.judges and operator is not None and operator.written:
                operator.again()
        return again

    def restore(self, slot: int, value: Value | None) -> None:
        """A put on a set-point is refused: show its last good value again, None if none."""
        self._by_name[self._signals[slot].name].put_back(value)

    def agree(self, slot: int, value: Value | None) -> None:
        """A put on a set-point has led to this value: the record ends with it.

        Call it where `post` is called, with the task's lock, after the put was handled.
        """
        if value is not None:
            self._by_name[self._signals[slot].name].agree(value)

    def inputs_connected(self, flags: Sequence[bool]) -> None:
        """Connection of each input that has a link, in the order of the plan."""
        self._connections.show(INPUTS, flags)

    def outputs_connected(self, flags: Sequence[bool]) -> None:
        """Connection of each output that has a link, in the order of the plan."""
        self._connections.show(OUTPUTS, flags)

    def _printed(self, line: str) -> None:
        """A line that C code printed: an entry of the audit, or something to log."""
        entry = audit.parse(line, self._texts)
        if entry is not None and self._on_audit is not None:
            self._on_audit(entry)
        elif line.strip("# "):
            _c_output.info("%s", line)

    @property
    def _texts(self) -> frozenset[str]:
        prefix = self._plan.prefix
        return frozenset(
            prefix + record.name
            for record in self._records
            if record.operator and record.holds == "string" and record.length is None
        )


def _during(
    build: Callable[[], None], search: Search | None, names: list[str]
) -> list[tuple[str, str]]:
    """Run `build` in a thread and `search` here; what the search found."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            build()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="iocBuild")
    thread.start()
    try:
        found = search(names) if search is not None else []
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return found


def _cut(text: str, size: int) -> str:
    """As much of a text as fits into `size` bytes with its end, in whole characters."""
    data = text.replace("\0", "").encode("utf-8", "replace")
    return data[: size - 1].decode("utf-8", "ignore")
