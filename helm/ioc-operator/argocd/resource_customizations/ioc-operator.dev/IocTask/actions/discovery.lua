local suspended = obj.spec.suspend == true

local serving = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Serving" and condition.status == "True" then
    serving = true
  end
end

return {
  ["suspend"] = {
    ["displayName"] = "Suspend",
    ["iconClass"] = "fa fa-fw fa-pause-circle",
    ["disabled"] = suspended
  },
  ["resume"] = {
    ["displayName"] = "Resume",
    ["iconClass"] = "fa fa-fw fa-play-circle",
    ["disabled"] = not suspended
  },
  ["restart"] = {
    ["displayName"] = "Restart",
    ["iconClass"] = "fa fa-fw fa-sync",
    ["disabled"] = suspended
  },
  ["reset"] = {
    ["displayName"] = "Reset latches",
    ["iconClass"] = "fa fa-fw fa-undo",
    ["disabled"] = suspended or not serving
  }
}
