{{- /* (list INTO OVER): what OVER has goes into INTO, maps key by key; null takes a key away.
       Sprig's own merges lose false, 0 and "". */ -}}
{{- define "ioc-task.merge" -}}
{{- $into := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $into $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $into $key)) -}}
{{- include "ioc-task.merge" (list (get $into $key) $value) -}}
{{- else -}}
{{- $_ := set $into $key (deepCopy $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* (dict "context" $ "name" NAME "own" ENTRY): labels and annotations of an object. */ -}}
{{- define "ioc-task.metadata" -}}
{{- $labels := dict
      "app.kubernetes.io/name" .context.Chart.Name
      "app.kubernetes.io/instance" .context.Release.Name
      "app.kubernetes.io/managed-by" .context.Release.Service
      "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_") -}}
{{- $annotations := dict -}}
{{- range $from := list .context.Values.defaults .own -}}
{{- include "ioc-task.merge" (list $labels ($from.labels | default dict)) -}}
{{- include "ioc-task.merge" (list $annotations ($from.annotations | default dict)) -}}
{{- end -}}
name: {{ .name }}
namespace: {{ .context.Release.Namespace }}
labels: {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* (dict "context" $ "kind" KIND "name" NAME "own" ENTRY): a task or a job. */ -}}
{{- define "ioc-task.object" -}}
{{- $defaults := .context.Values.defaults -}}
{{- $spec := deepCopy ($defaults.spec | default dict) -}}
{{- with $defaults.prefix -}}
{{- $space := $.context.Release.Namespace -}}
{{- $prefix := . | replace "{name}" $.name | replace "{NAME}" (upper $.name) -}}
{{- $_ := set $spec "prefix" ($prefix | replace "{namespace}" $space | replace "{NAMESPACE}" (upper $space)) -}}
{{- end -}}
{{- include "ioc-task.merge" (list $spec (.own.spec | default dict)) -}}
apiVersion: ioc-operator.dev/v1alpha1
kind: {{ .kind }}
metadata: {{- include "ioc-task.metadata" . | nindent 2 }}
spec: {{- toYaml $spec | nindent 2 }}
{{- end -}}

{{- define "ioc-task.count" -}}
{{- $names := list -}}
{{- range $entries := list .Values.tasks .Values.jobs -}}
{{- range $name, $own := $entries -}}
{{- if and $own (dig "enabled" true $own) -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- end -}}
{{ len $names }} tasks and jobs{{ if $names }}: {{ join ", " $names }}{{ end }}. How they are:
{{- end -}}

{{- /* Refuses a name that no object can have: Helm blames one in the schema on another key. */ -}}
{{- define "ioc-task.names" -}}
{{- $longest := dict "tasks" 52 "jobs" 50 "configMaps" 253 -}}
{{- range $key, $most := $longest -}}
{{- range $name, $_ := get $.Values $key -}}
{{- $dot := ternary "." "" (eq $key "configMaps") -}}
{{- if or (gt (len $name) $most) (not (regexMatch (printf "^[a-z0-9]([-a-z0-9%s]*[a-z0-9])?$" $dot) $name)) -}}
{{- fail (printf "%s.%s: expected a name of lower-case letters, digits%s and -, at most %d characters" $key $name (ternary ", ." "" (eq $key "configMaps")) (int $most)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
