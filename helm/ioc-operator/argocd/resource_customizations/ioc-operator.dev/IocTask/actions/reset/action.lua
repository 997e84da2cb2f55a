-- As one put of 1 to RESET: latches are released whose cause is gone, never a permit. The
-- running task sees the annotation; one that starts later does not do it again.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["ioc-operator.dev/resetAt"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
