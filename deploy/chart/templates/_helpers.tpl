{{- define "minidns.labels" -}}
k8s-app: {{ .Values.name }}
{{ include "minidns.names" . }}
{{- end }}

{{- define "minidns.names" -}}
app.kubernetes.io/name: minidns
app.kubernetes.io/component: dns
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "minidns.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "minidns.rules" -}}
- apiGroups: [""]
  resources: [services{{ if not .Values.rbac.namespaces }}, namespaces{{ end }}{{ if .Values.rbac.pods }}, pods{{ end }}]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
