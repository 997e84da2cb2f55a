"""Which class of a plugin runs, and what is found when it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ioc_runtime import DeclarativeTask
from ioc_runtime.plan import Plan, Plugin
from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.loader import load

from .conftest import GUARD_FILE, refused

# which class


def test_the_only_class_of_the_plugins_own_modules_runs(load_files) -> None:
    loaded = load_files({"guard.py": GUARD_FILE})
    assert (loaded.cls.__name__, loaded.cls.answer) == ("Guard", 42)


def test_an_imported_base_never_counts(load_files) -> None:
    source = """
    from ioc_runtime import DeclarativeTask, TaskBase, JobBase

    class AZone(DeclarativeTask):
        pass
    """
    assert load_files({"guard.py": source}).cls.__name__ == "AZone"


def test_a_concrete_base_of_a_library_never_counts_even_if_it_sorts_first(
    load_files, tmp_path, monkeypatch
) -> None:
    (tmp_path / "facility_tasks.py").write_text(GUARD_FILE.replace("Guard", "AGuard"))
    monkeypatch.syspath_prepend(tmp_path)
    text = "from facility_tasks import AGuard\nfrom ioc_runtime import DeclarativeTask\n"
    mine = "class MyInterlock(AGuard): answer = 43\nclass Other(dict): pass\n"
    loaded = load_files({"guard.py": text + mine})
    assert (loaded.cls.__name__, loaded.cls.answer) == ("MyInterlock", 43)
    error = refused(load_files, {"guard.py": text + "class Other(dict): pass\n"})
    assert "defines no subclass of TaskBase" in str(error)
    error = refused(load_files, {"guard.py": text + mine + "class Two(AGuard): pass\n"})
    assert "guard.MyInterlock (guard.py:3), guard.Two (guard.py:5)" in str(error)
    assert "AGuard" not in str(error)
    sys.modules.pop("facility_tasks")


def test_a_class_that_another_own_module_imports_counts_once(load_files) -> None:
    loaded = load_files(
        {
            "guard.py": GUARD_FILE,
            "main.py": "from guard import Guard\nclass Helper(dict): pass\n",
        }
    )
    assert loaded.cls.__name__ == "Guard"


def test_several_classes_are_an_error_that_lists_them_with_their_lines(load_files) -> None:
    error = refused(
        load_files, {"guard.py": GUARD_FILE, "lib/__init__.py": "", "lib/b.py": GUARD_FILE}
    )
    assert str(error) == (
        "the plugin has several classes that could run: guard.Guard (guard.py:4), "
        "lib.b.Guard (lib/b.py:4); name one in plugin.class"
    )


def test_the_class_that_the_manifest_names_runs(load_files) -> None:
    files = {"guard.py": GUARD_FILE, "b.py": GUARD_FILE.replace("Guard", "Other")}
    assert load_files(files, class_name="Other").cls.__name__ == "Other"
    assert load_files(files, class_name="Guard").cls.__name__ == "Guard"


def test_only_the_module_of_the_named_class_is_run(load_files) -> None:
    broken = "class Broken(dict):\n    raise OSError('never run')\n"
    assert load_files({"guard.py": GUARD_FILE, "b.py": broken}, class_name="Guard").cls.answer == 42


def test_a_named_class_that_is_not_there_names_the_nearest(load_files) -> None:
    error = refused(load_files, {"guard.py": GUARD_FILE}, class_name="Gard")
    assert str(error) == "the plugin has no class 'Gard'; nearest: 'Guard'"


def test_a_named_class_that_is_no_task_says_so(load_files) -> None:
    error = refused(load_files, {"guard.py": "class Guard: pass\n"}, class_name="Guard")
    assert str(error) == "guard.Guard (guard.py:1) is no TaskBase: an IocTask needs one"


def test_a_job_in_a_task_is_an_error_that_says_what_it_needs(load_files) -> None:
    job = "from ioc_runtime import JobBase\nclass Scan(JobBase):\n def execute(self): pass\n"
    error = refused(load_files, {"scan.py": job})
    assert "scan.Scan (scan.py:2) is a JobBase: an IocTask needs a TaskBase" in str(error)


def test_a_job_loads_a_job_and_refuses_a_task(tmp_path: Path) -> None:
    (tmp_path / "scan.py").write_text(
        "from ioc_runtime import JobBase\nclass Scan(JobBase):\n def execute(self): return 1\n"
    )
    plan = Plan("scan", "ns", "P:", kind="IocJob", plugin=Plugin(directory=str(tmp_path)))
    loaded = load(plan)
    assert loaded.cls().execute() == 1
    loaded.close()
    (tmp_path / "scan.py").write_text(GUARD_FILE)
    with pytest.raises(PluginError, match="is a TaskBase: an IocJob needs a JobBase"):
        load(plan)


def test_a_plugin_without_a_task_says_where_it_looked(load_files) -> None:
    error = refused(load_files, {"guard.py": "class Guard: pass\n"})
    assert str(error) == (
        "the plugin defines no subclass of TaskBase: expected one in its modules (guard)"
    )


def test_a_base_of_the_plugins_own_that_is_abstract_is_no_candidate(load_files) -> None:
    source = """
    from abc import abstractmethod
    from ioc_runtime import TaskBase

    class Base(TaskBase):
        @abstractmethod
        def limit(self): ...

    class Guard(Base):
        def limit(self): return 1
    """
    assert load_files({"guard.py": source}).cls.__name__ == "Guard"


def test_a_plugin_without_code_is_a_declarative_task(load_files) -> None:
    assert load_files(None).cls is DeclarativeTask
    assert load_files(None, class_name="DeclarativeTask").cls is DeclarativeTask
    assert load_files({"table.csv": "1,2\n"}).cls is DeclarativeTask
    error = refused(load_files, None, class_name="Guard")
    assert str(error) == "plugin.class is 'Guard', but the plugin has no source"


# what is found at load


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "def on_input_changed(self, key, value): pass",
            "guard.Guard (guard.py:2): expected on_input_changed(self, key, value, old_value), "
            "found on_input_changed(self, key, value)",
        ),
        (
            "def execute(self, dt): pass",
            "guard.Guard (guard.py:2): expected execute(self), found execute(self, dt)",
        ),
        ("execute = 3", "guard.Guard (guard.py:2): expected a method execute, found 3"),
        (
            "def execute(self): yield 1",
            "guard.Guard (guard.py:2).execute is a generator: expected no `yield` in it",
        ),
        (
            "def __init__(self, port): pass",
            "guard.Guard (guard.py:2): expected an __init__ without arguments, found "
            "__init__(self, port)",
        ),
        (
            "import abc\n @abc.abstractmethod\n def limit(self): ...",
            "guard.Guard (guard.py:2) cannot run: it leaves limit abstract",
        ),
    ],
)
def test_a_class_that_cannot_be_called_is_found_at_load(load_files, body, text) -> None:
    source = f"from ioc_runtime import TaskBase\nclass Guard(TaskBase):\n {body}\n"
    assert str(refused(load_files, {"guard.py": source})) == text


def test_hooks_with_optional_arguments_and_static_ones_are_taken(load_files) -> None:
    source = """
    from ioc_runtime import TaskBase

    class Guard(TaskBase):
        def __init__(self, *args, **kwargs):
            super().__init__()
        def execute(self, verbose=False): pass
        def on_input_changed(self, *args): pass
        @staticmethod
        def cleanup(): pass
        @classmethod
        def initialize(cls): pass
    """
    assert load_files({"guard.py": source}).warnings == ()


def test_a_misspelt_hook_is_a_warning(load_files) -> None:
    source = """
    from ioc_runtime import TaskBase

    class Guard(TaskBase):
        def initialise(self): pass
        def valve_moved(self): pass
    """
    assert load_files({"guard.py": source}).warnings == (
        "guard.Guard (guard.py:4).initialise is never called; did you mean initialize?",
    )


def test_async_hooks_are_seen(load_files) -> None:
    source = """
    from ioc_runtime import TaskBase

    class Guard(TaskBase):
        async def execute(self): pass
    """
    assert load_files({"guard.py": source}).asynchronous
    assert not load_files({"guard.py": GUARD_FILE}).asynchronous


# errors


def test_a_syntax_error_names_its_file_and_line(load_files) -> None:
    source = "from ioc_runtime import TaskBase\nclass Guard(TaskBase):\n    def execute(self)\n"
    error = refused(load_files, {"lib/__init__.py": "", "lib/guard.py": source})
    assert str(error) == "lib/guard.py:3: SyntaxError: expected ':'"
    assert error.traceback == (
        "    def execute(self)\n                     ^\nSyntaxError: expected ':'\n"
    )


@pytest.mark.parametrize("text", ["x = '\0'\n", "x = '\udcff'\n", "(" * 5000, "x = \xa0 1\n"])
def test_a_file_that_is_no_python_is_an_error_with_its_name(text, tmp_path) -> None:
    (tmp_path / "guard.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PluginError, match=r"^guard\.py:") as error:
        load(Plan("n", "ns", "P:", plugin=Plugin(directory=str(tmp_path))))
    assert "\n" not in str(error.value)


def test_an_import_error_names_the_plugins_line_and_shows_its_frames_only(load_files) -> None:
    error = refused(
        load_files,
        {
            "guard.py": "import helpers\nfrom ioc_runtime import TaskBase\n"
            "class Guard(TaskBase): pass\n",
            "helpers.py": "import json\n\nimport no_such_library\n",
        },
    )
    assert str(error) == ("helpers.py:3: ModuleNotFoundError: No module named 'no_such_library'")
    assert error.traceback == (
        '  File "guard.py", line 1, in <module>\n    import helpers\n'
        '  File "helpers.py", line 3, in <module>\n    import no_such_library\n'
        "ModuleNotFoundError: No module named 'no_such_library'\n"
    )


def test_a_missing_module_of_the_plugin_is_named_as_its_author_knows_it(load_files) -> None:
    source = "from .helpers import x\nfrom ioc_runtime import TaskBase\nclass G(TaskBase): ...\n"
    error = refused(load_files, {"guard.py": source})
    assert str(error) == "guard.py:1: ModuleNotFoundError: No module named 'helpers'"


def test_a_module_that_exits_does_not_end_the_process(load_files) -> None:
    error = refused(load_files, {"guard.py": "import sys\nclass A(dict): sys.exit(3)\n"})
    assert str(error) == "guard.py:2: the plugin called exit(3), which a plugin cannot do"


def test_an_import_that_never_ends_is_given_up_and_says_where_it_is(load_files) -> None:
    source = """
    import builtins
    from ioc_runtime import TaskBase
    builtins.plugin_test_gate.wait()
    class Guard(TaskBase): pass
    """
    import builtins
    import threading

    gate = builtins.plugin_test_gate = threading.Event()  # type: ignore[attr-defined]
    try:
        error = refused(load_files, {"guard.py": source}, timeout=0.2)
        assert str(error) == "the import of the plugin still runs after 0.2 s at guard.py:4"
    finally:
        gate.set()
        del builtins.plugin_test_gate  # type: ignore[attr-defined]


def test_the_word_of_a_source_that_cannot_be_loaded_is_named() -> None:
    for kind in ("git", "configMap", "image"):
        plan = Plan("n", "ns", "P:", plugin=Plugin(source={kind: {"name": "x"}}))
        with pytest.raises(PluginError, match=rf"plugin\.{kind}: .*of kind {kind} has to be"):
            load(plan)


def test_loading_a_plugin_does_not_import_asyncio(tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text(GUARD_FILE)
    code = (
        "import sys\n"
        "from ioc_runtime.plan import Plan, Plugin\n"
        "from ioc_runtime.plugin.loader import load\n"
        "from ioc_runtime.plugin.runner import PluginRunner\n"
        f"loaded = load(Plan('n', 'ns', 'P:', plugin=Plugin(directory={str(tmp_path)!r})))\n"
        "print(loaded.cls.answer, 'asyncio' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["42", "False", "False"]
