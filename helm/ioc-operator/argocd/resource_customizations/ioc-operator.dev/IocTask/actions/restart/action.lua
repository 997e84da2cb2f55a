-- A new value of this annotation replaces the pod; the spec stays as it is in Git.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["ioc-operator.dev/restartedAt"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
