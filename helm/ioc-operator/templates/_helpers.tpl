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
# One of each in a namespace: what its runtimes report with.
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [ioc-runtime]
  verbs: [create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  resourceNames: [ioc-runtime]
  verbs: [create, patch]
{{- end -}}
