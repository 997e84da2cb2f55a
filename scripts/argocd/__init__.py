"""The entries of argocd-cm for both kinds, from the Lua in the chart, as files to copy from."""
