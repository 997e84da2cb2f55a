-- How the present run of an IocJob is, from its conditions, which are those of kstatus and
-- of a Job. As with a Job, one that runs is Progressing, and Healthy once it has ended well.

local function health(status, message)
  return {status = status, message = message}
end

local function told(condition)
  if condition.message == nil or condition.message == "" then
    return condition.reason or condition.type
  end
  return (condition.reason or condition.type) .. ": " .. condition.message
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "it is being deleted")
end

local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "waiting for the operator")
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end

local function is_true(kind)
  return found[kind] ~= nil and found[kind].status == "True"
end

if is_true("Stalled") then
  return health("Degraded", told(found.Stalled))
end
if is_true("Reconciling") then
  return health("Progressing", told(found.Reconciling))
end
if is_true("Failed") then
  return health("Degraded", told(found.Failed))
end
if is_true("Complete") then
  return health("Healthy", told(found.Complete))
end
if is_true("Suspended") then
  return health("Suspended", told(found.Suspended))
end
if found.Ready == nil then
  return health("Progressing", "waiting for the operator")
end
if found.Ready.status ~= "True" then
  return health("Degraded", told(found.Ready))
end
if found.Ready.reason == "Paused" then
  return health("Suspended", told(found.Ready))
end
return health("Progressing", told(found.Ready))
