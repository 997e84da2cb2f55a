"""Files and modules of a plugin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ioc_runtime.plan import Plan, Plugin
from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.loader import load

from .conftest import GUARD_FILE, plan_of, refused

# files


@pytest.mark.parametrize(
    "name",
    ["/etc/x.py", "../x.py", "a/../x.py", "", "a//b.py", "a\\b.py", "./a.py", "a\n.py", "a/"],
)
def test_an_inline_file_outside_the_plugin_is_refused(load_files, name) -> None:
    error = refused(load_files, {name: "x = 1\n"})
    assert "is not a relative path inside the plugin" in str(error)


def test_a_file_and_a_directory_of_the_same_name_are_an_error(load_files) -> None:
    error = refused(load_files, {"a": "", "a/b.py": ""})
    assert "cannot write 'a/b.py'" in str(error)


def test_inline_files_are_private_and_gone_when_closed() -> None:
    loaded = load(plan_of({"guard.py": GUARD_FILE, "data/table.csv": "1\n"}))
    root = loaded.root
    assert root is not None
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "data/table.csv").read_text() == "1\n"
    loaded.close()
    assert not root.exists()
    assert not any(name.startswith(loaded.package.name) for name in sys.modules)
    assert loaded.package not in sys.meta_path


def test_nothing_stays_behind_when_a_plugin_cannot_be_loaded(load_files, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = list(sys.meta_path)
    refused(load_files, {"guard.py": "class A(dict): x = 1 / 0\n"})
    assert list(tmp_path.iterdir()) == []
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.startswith("_ioc_plugin_")]


def test_a_directory_is_loaded_where_it_is_and_nothing_is_written_there(tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text(GUARD_FILE)
    loaded = load(Plan("n", "ns", "P:", plugin=Plugin(directory=str(tmp_path))))
    assert loaded.cls.answer == 42
    assert [p.name for p in tmp_path.iterdir()] == ["guard.py"]
    loaded.close()
    assert (tmp_path / "guard.py").exists()


def test_a_directory_that_is_not_there_is_an_error() -> None:
    with pytest.raises(PluginError, match="plugin directory '/no/such' is not there"):
        load(Plan("n", "ns", "P:", plugin=Plugin(directory="/no/such")))


def test_a_module_that_is_a_link_out_of_the_plugin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text(GUARD_FILE)
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin/guard.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(PluginError, match=r"guard\.py is a link to .*outside\.py"):
        load(Plan("n", "ns", "P:", plugin=Plugin(directory=str(tmp_path / "plugin"))))


def test_links_inside_the_plugin_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()  # as a mounted ConfigMap has it
    (tmp_path / "..data/guard.py").write_text(GUARD_FILE)
    (tmp_path / "guard.py").symlink_to("..data/guard.py")
    loaded = load(Plan("n", "ns", "P:", plugin=Plugin(directory=str(tmp_path))))
    assert loaded.cls.answer == 42
    loaded.close()


# modules


def test_two_plugins_with_the_same_modules_never_meet(load_files) -> None:
    files = {
        "guard.py": "import helpers\nfrom ioc_runtime import TaskBase\n"
        "class Guard(TaskBase):\n"
        "    def who(self):\n        import helpers as again\n"
        "        return helpers.NAME, again.NAME\n",
    }
    one = load_files({**files, "helpers.py": "NAME = 1\n"})
    two = load_files({**files, "helpers.py": "NAME = 2\n"})
    assert one.cls().who() == (1, 1)
    assert two.cls().who() == (2, 2)
    assert "helpers" not in sys.modules


def test_a_plugin_that_is_loaded_again_after_another_of_its_module_name_is_itself(
    load_files,
) -> None:
    one, two = GUARD_FILE, GUARD_FILE.replace("42", "43")
    first = load_files({"guard.py": one})
    other = load_files({"guard.py": two})
    first.close()
    again = load_files({"guard.py": one})
    assert (again.cls.answer, other.cls.answer, first.cls.answer) == (42, 43, 42)
    assert again.cls is not first.cls


def test_a_plugins_module_hides_a_librarys_from_that_plugin_alone(load_files) -> None:
    loaded = load_files(
        {
            "guard.py": "import colorsys, json\nfrom ioc_runtime import TaskBase\n"
            "class Guard(TaskBase):\n    found = colorsys.MINE, json.loads('[1]')\n",
            "colorsys.py": "MINE = True\n",
        }
    )
    assert loaded.cls.found == (True, [1])
    import colorsys

    assert not hasattr(colorsys, "MINE")


def test_nested_packages_and_relative_imports_work(load_files) -> None:
    loaded = load_files(
        {
            "main.py": "from lib.deep import guard\nimport lib.tools\nimport plain.part as part\n"
            "class Seen(guard.Guard):\n    seen = lib.tools.NAME, part.NAME\n",
            "lib/__init__.py": "",
            "lib/tools.py": "NAME = 'tools'\n",
            "lib/deep/__init__.py": "",
            "lib/deep/guard.py": "from ..tools import NAME\nfrom . import sibling\n"
            "from ioc_runtime import TaskBase\n"
            "class Guard(TaskBase):\n    found = NAME, sibling.NAME\n",
            "lib/deep/sibling.py": "NAME = 'sibling'\n",
            "plain/part.py": "NAME = 'part'\n",
        },
        class_name="Seen",
    )
    assert loaded.cls.found == ("tools", "sibling")
    assert loaded.cls.seen == ("tools", "part")


def test_a_directory_that_is_itself_a_package_may_be_imported_by_its_name(tmp_path) -> None:
    root = tmp_path / "vacuum"
    root.mkdir()
    (root / "__init__.py").write_text("from .guard import Guard\n")
    (root / "limits.py").write_text("LIMIT = 3\n")
    (root / "guard.py").write_text(
        "from vacuum.limits import LIMIT\nfrom ioc_runtime import TaskBase\n"
        "class Guard(TaskBase):\n    limit = LIMIT\n"
    )
    loaded = load(Plan("n", "ns", "P:", plugin=Plugin(directory=str(root))))
    assert loaded.cls.limit == 3
    loaded.close()


def test_tests_and_scripts_beside_the_plugin_are_not_run(load_files) -> None:
    boom = "class A(dict): pass\nraise SystemExit('run')\n"
    loaded = load_files(
        {
            "guard.py": GUARD_FILE,
            "script.py": "raise SystemExit('run')\n",
            "setup.py": boom,
            "conftest.py": boom,
            "test_guard.py": boom,
            "tests/__init__.py": boom,
            "_private.py": boom,
            "docs/conf.py": boom,
        }
    )
    assert loaded.cls.answer == 42


def test_a_module_may_not_take_the_runtimes_name(load_files) -> None:
    error = refused(load_files, {"guard.py": GUARD_FILE, "ioc_runtime/__init__.py": ""})
    assert "a module called 'ioc_runtime'" in str(error)


def test_classes_of_a_plugin_can_be_pickled_and_their_hints_read(load_files) -> None:
    import pickle
    import typing

    loaded = load_files(
        {
            "guard.py": "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "from ioc_runtime import TaskBase\n"
            "@dataclass\nclass Point:\n    x: int\n"
            "class Guard(TaskBase):\n    point = Point(1)\n"
        }
    )
    point = loaded.cls.point
    assert pickle.loads(pickle.dumps(point)) == point
    assert typing.get_type_hints(type(point)) == {"x": int}
