{{- define "ioc-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "ioc-operator.fullname" -}}
{{- $name := include "ioc-operator.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "ioc-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "ioc-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Not managed-by: ioc-operator, which marks what the operator itself makes. */ -}}
{{- define "ioc-operator.labels" -}}
{{ include "ioc-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: ioc-operator
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ioc-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ioc-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed with serviceAccount.create: false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ioc-operator.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "ioc-operator.serviceAccountName" . }}
{{- end -}}

{{- define "ioc-operator.runtimeClusterRole" -}}
{{ include "ioc-operator.fullname" . }}-runtime
{{- end -}}

{{- /* Reference of an image: (dict "image" VALUES "chart" .Chart) */ -}}
{{- define "ioc-operator.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .chart.AppVersion .image.tag }}
{{- end -}}
{{- end -}}

{{- /* By which Prometheus tells the series of this release from others. */ -}}
{{- define "ioc-operator.series" -}}
namespace="{{ .Release.Namespace }}",job="{{ .Release.Name }}"
{{- end -}}

{{- /* What a ServiceMonitor and a PodMonitor have in common: one of their values. */ -}}
{{- define "ioc-operator.endpoint" -}}
port: http
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Namespace of the task of `helm test`. */ -}}
{{- define "ioc-operator.testNamespace" -}}
{{- default (default .Release.Namespace (first .Values.watchNamespaces)) .Values.test.namespace -}}
{{- end -}}

{{- define "ioc-operator.testName" -}}
{{ include "ioc-operator.fullname" . | trunc 40 | trimSuffix "-" }}-test
{{- end -}}

{{- /* Not the operator's own: its Service, budget and policy go by these. */ -}}
{{- define "ioc-operator.testLabels" -}}
{{ set (include "ioc-operator.labels" . | fromYaml) "app.kubernetes.io/name" (include "ioc-operator.testName" .) | toYaml }}
{{- end -}}

{{- /* Part of `helm test`, in this place of the order; nothing is left of a test that went well. */ -}}
{{- define "ioc-operator.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- /* What no single value can be blamed for. */ -}}
{{- define "ioc-operator.check" -}}
{{- $lease := .Values.leaderElection -}}
{{- if not (and (lt (float64 $lease.retryPeriod) (float64 $lease.renewDeadline)) (lt (float64 $lease.renewDeadline) (float64 $lease.leaseDuration))) -}}
{{- fail (printf "leaderElection.retryPeriod, renewDeadline and leaseDuration are %v, %v and %v; expected each to be less than the next" $lease.retryPeriod $lease.renewDeadline $lease.leaseDuration) -}}
{{- end -}}
{{- range $key, $labels := pick .Values "commonLabels" "podLabels" -}}
{{- range $label, $_ := $labels -}}
{{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh)/" $label -}}
{{- fail (printf "%s has %s; expected none of app.kubernetes.io/ and helm.sh/, which are the chart's own" $key $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $metrics := .Values.metrics -}}
{{- if and $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true; expected one of them, since every figure would be read twice" -}}
{{- end -}}
{{- if and $metrics.prometheusRule.enabled (not $metrics.serviceMonitor.enabled) (not $metrics.podMonitor.enabled) -}}
{{- fail "metrics.prometheusRule.enabled is true; expected metrics.serviceMonitor.enabled or metrics.podMonitor.enabled too, since the alerts know the release by the labels that these put on" -}}
{{- end -}}
{{- $known := list -}}
{{- range .Files.Get "files/alerts.yaml" | fromYamlArray -}}{{- $known = append $known .alert -}}{{- end -}}
{{- range $metrics.prometheusRule.disabled -}}
{{- if not (has . $known) -}}
{{- fail (printf "metrics.prometheusRule.disabled has %s; expected some of %s" . (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.watchNamespaces .Values.test.namespace (not (has .Values.test.namespace .Values.watchNamespaces)) -}}
{{- fail (printf "test.namespace is %s; expected one of watchNamespaces" .Values.test.namespace) -}}
{{- end -}}
{{- end -}}

{{- /* What the operator may do, wherever it looks after tasks and jobs. */ -}}
{{- define "ioc-operator.rules" -}}
- apiGroups: [ioc-operator.dev]
  resources: [ioctasks, iocjobs]
  verbs: [get, list, watch]
# The runtimes' role holds the same: nobody may grant what they do not have.
- apiGroups: [ioc-operator.dev]
  resources: [ioctasks/status, iocjobs/status]
  verbs: [patch]
# Owner references that block the deletion of the owner ask for this on some clusters.
- apiGroups: [ioc-operator.dev]
  resources: [ioctasks/finalizers, iocjobs/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# One of each in a namespace: what its runtimes report with. A binding keeps its role for
# life: to give it another one it is deleted and made anew.
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [ioc-runtime]
  verbs: [get, list, watch, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  resourceNames: [ioc-runtime]
  verbs: [get, list, watch, create, patch, delete]
{{- end -}}
