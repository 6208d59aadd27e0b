{{/* Prefix of all names: the release's, with the chart's in it. */}}
{{- define "fairlead.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.serviceAccount" -}}
{{ include "fairlead.fullname" . }}-controller
{{- end -}}

{{- define "fairlead.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "fairlead.labels" -}}
{{ include "fairlead.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) }}
{{- end -}}

{{- define "fairlead.subjects" -}}
- kind: ServiceAccount
  name: {{ include "fairlead.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* About 85 % of the memory limit, when that is a whole number of Mi or Gi; nothing otherwise. */}}
{{- define "fairlead.goMemLimit" -}}
{{- $limit := toString (dig "limits" "memory" "" (.Values.resources | default dict)) -}}
{{- if .Values.goMemLimit -}}
{{- .Values.goMemLimit -}}
{{- else if regexMatch "^[0-9]+Gi$" $limit -}}
{{- printf "%dMiB" (div (mul (trimSuffix "Gi" $limit | int64) 1024 85) 100) -}}
{{- else if regexMatch "^[0-9]+Mi$" $limit -}}
{{- printf "%dMiB" (div (mul (trimSuffix "Mi" $limit | int64) 85) 100) -}}
{{- end -}}
{{- end -}}

{{/* "true" in strict mode. A value that contradicts the mode ends the rendering. */}}
{{- define "fairlead.strict" -}}
{{- if eq .Values.tenancy "strict" -}}
{{- if eq (toString .Values.clusterAdmin) "true" -}}
{{- fail "clusterAdmin: true contradicts tenancy: strict; leave it out, or use tenancy: shared" -}}
{{- end -}}
{{- if eq (toString .Values.crossNamespaceRefs) "true" -}}
{{- fail "crossNamespaceRefs: true contradicts tenancy: strict; leave it out, or use tenancy: shared" -}}
{{- end -}}
{{- if eq (toString .Values.upstreams.refuseLoopback) "false" -}}
{{- fail "upstreams.refuseLoopback: false contradicts tenancy: strict; allow single addresses with upstreams.allowCIDRs" -}}
{{- end -}}
true
{{- end -}}
{{- end -}}

{{/* "true" when a part is wanted: as its value says, and as the mode says where the value is null. */}}
{{- define "fairlead.wanted" -}}
{{- if kindIs "invalid" .value -}}
{{- include "fairlead.strict" .root -}}
{{- else if .value -}}
true
{{- end -}}
{{- end -}}

{{- define "fairlead.policies" -}}
{{- $wanted := include "fairlead.wanted" (dict "value" .Values.policies.enabled "root" .) -}}
{{- if and $wanted (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "ValidatingAdmissionPolicies need Kubernetes 1.30 or later; policies.enabled: false installs without them" -}}
{{- end -}}
{{- $wanted -}}
{{- end -}}

{{- define "fairlead.clusterAdmin" -}}
{{- if kindIs "invalid" .Values.clusterAdmin -}}
{{- if not (include "fairlead.strict" .) -}}
true
{{- end -}}
{{- else if .Values.clusterAdmin -}}
true
{{- end -}}
{{- end -}}

{{/* A list of texts as one of CEL. */}}
{{- define "fairlead.celList" -}}
{{- $quoted := list -}}
{{- range . -}}
{{- $quoted = append $quoted (printf "'%s'" .) -}}
{{- end -}}
[{{ join ", " $quoted }}]
{{- end -}}

{{/* The variables of all policies that say who is exempt. */}}
{{- define "fairlead.exemption" -}}
{{- $account := printf "system:serviceaccount:%s:%s" .Release.Namespace (include "fairlead.serviceAccount" .) -}}
{{- $sync := printf "system:serviceaccount:%s:%s-sync" .Release.Namespace (include "fairlead.fullname" .) -}}
- name: exemptUsers
  expression: {{ include "fairlead.celList" (concat (list $account $sync) .Values.policies.adminUsers) | quote }}
- name: exemptGroups
  expression: {{ include "fairlead.celList" .Values.policies.adminGroups | quote }}
- name: exempt
  expression: "request.userInfo.username in variables.exemptUsers || request.userInfo.groups.exists(g, g in variables.exemptGroups)"
{{- end -}}
