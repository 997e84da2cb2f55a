local suspended = obj.spec.suspend == true

local over = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if (condition.type == "Complete" or condition.type == "Failed") and condition.status == "True" then
    over = true
  end
end

return {
  ["suspend"] = {
    ["displayName"] = "Suspend",
    ["iconClass"] = "fa fa-fw fa-pause-circle",
    ["disabled"] = suspended or over
  },
  ["resume"] = {
    ["displayName"] = "Resume",
    ["iconClass"] = "fa fa-fw fa-play-circle",
    ["disabled"] = not suspended
  },
  ["restart"] = {
    ["displayName"] = "Run again",
    ["iconClass"] = "fa fa-fw fa-redo",
    ["disabled"] = suspended or not over
  }
}
