"""Runs Lua scripts of Argo CD's resource customizations as Argo CD runs them.

Lua 5.1 with the libraries `base` and `table` and of `os` two functions, an object in the
global `obj`, a table as the answer. `string` and `math` are not there.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from lupa.lua51 import LuaRuntime, lua_type

Object = dict[str, Any]

SANDBOX: Final = """
local given = os
local safe = {date = given.date, time = given.time}
local no_methods = {}
getmetatable("").__index = no_methods
os = safe
for _, name in ipairs({
  "string", "math", "io", "debug", "coroutine", "package", "python", "dofile", "loadfile",
}) do
  _G[name] = nil
end
require = function(name)
  if name == "os" then return safe end
  error("module " .. name .. " not found")
end
"""


def run(script: str, obj: Object) -> Any:
    """What a script says of an object, as JSON has it: an empty table is an empty list."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    lua.execute(SANDBOX)
    lua.globals().obj = _to_lua(lua, obj)
    return _from_lua(lua.execute(script))


def act(script: str, obj: Object) -> Object:
    """The object after an action, mended as Argo CD does it: Lua has one kind of empty table."""
    changed: Object = _as_before(run(script, copy.deepcopy(obj)), obj)
    return changed


def merge_patch(old: Any, new: Any) -> Any:
    """The patch (RFC 7386) that makes `new` of `old`: what Argo CD sends after an action."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    changed = {
        key: merge_patch(old.get(key), value)
        for key, value in new.items()
        if key not in old or old[key] != value
    }
    return changed | {key: None for key in old if key not in new}


def _to_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, each) for key, each in value.items()})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, each) for each in value])
    return value


def _from_lua(value: Any) -> Any:
    if lua_type(value) == "table":
        keys = list(value)
        if keys == list(range(1, len(keys) + 1)):
            return [_from_lua(value[key]) for key in keys]
        return {key: _from_lua(each) for key, each in value.items()}
    # Numbers of Lua 5.1 have no kinds.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_before(new: Any, old: Any) -> Any:
    """Argo CD makes maps of empty lists again, but not of those that are elements of a list."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _value_as_before(value, old.get(key)) for key, value in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        both = zip(new, old, strict=False)
        return [_as_before(*pair) for pair in both] + new[len(old) :]
    return new


def _value_as_before(new: Any, old: Any) -> Any:
    return {} if new == [] and isinstance(old, dict) else _as_before(new, old)
