{{- /* Refuses to look after namespaces that another release looks after: the policy of each
       would keep the other from writing status. It needs an API server: `helm template` has none. */ -}}
{{- define "ioc-operator.alone" -}}
{{- $own := printf "%s-status" (include "ioc-operator.fullname" .) -}}
{{- $ours := .Values.watchNamespaces -}}
{{- range (lookup "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicyBinding" "" "").items -}}
{{- $name := .metadata.name -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $release := get $annotations "meta.helm.sh/release-name" | default (get $labels "app.kubernetes.io/instance") -}}
{{- $same := and (eq $release $.Release.Name) (eq (get $annotations "meta.helm.sh/release-namespace") $.Release.Namespace) -}}
{{- if and (eq (get $labels "app.kubernetes.io/part-of") "ioc-operator") (hasSuffix "-status" $name) (ne $name $own) (not $same) -}}
{{- $policy := lookup "admissionregistration.k8s.io/v1" "ValidatingAdmissionPolicy" "" .spec.policyName -}}
{{- $account := regexFind "system:serviceaccount:[^\":]+:[^\"]+" (toJson (dig "spec" "matchConditions" (list) $policy) | replace "\\\"" "\"") -}}
{{- $theirs := list -}}
{{- range dig "spec" "matchResources" "namespaceSelector" "matchExpressions" (list) . -}}{{- $theirs = concat $theirs .values -}}{{- end -}}
{{- $both := list -}}
{{- range $theirs -}}{{- if has . $ours -}}{{- $both = append $both . -}}{{- end -}}{{- end -}}
{{- $shared := ternary (join ", " $both) (join ", " (concat $theirs $ours)) (and (gt (len $theirs) 0) (gt (len $ours) 0)) -}}
{{- if not (or $theirs $ours) -}}{{- $shared = "all of them" -}}{{- end -}}
{{- if and $shared (not (has $account $.Values.admissionPolicy.exempt)) -}}
{{- $where := get $annotations "meta.helm.sh/release-namespace" | default (index (splitList ":" (printf "%s:::" $account)) 2) -}}
{{- fail (printf "release %s in namespace %s looks after %s, and release %s would look after %s: both have %s, and each would keep the other from writing status; expected watchNamespaces that no other release has" $release $where (include "ioc-operator.namespaces" $theirs) $.Release.Name (include "ioc-operator.namespaces" $ours) $shared) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A list of watchNamespaces in words. */ -}}
{{- define "ioc-operator.namespaces" -}}
{{- if . -}}namespace{{ if rest . }}s{{ end }} {{ join ", " . }}{{- else -}}all namespaces{{- end -}}
{{- end -}}
