{{- define "momentum.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "momentum.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "momentum.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "momentum.selector" -}}
app.kubernetes.io/name: momentum-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "momentum.labels" -}}
{{ include "momentum.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "momentum.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "momentum.settings" -}}
{{- $node := dict "image" (include "momentum.image" (dict "image" .Values.node.image "root" .)) "imagePullPolicy" (.Values.node.image.pullPolicy | default "IfNotPresent") "imagePullSecrets" .Values.imagePullSecrets "priorityClassName" .Values.node.priorityClassName "resources" .Values.node.resources }}
{{- dict "node" $node "hostPathRoot" .Values.hostPathRoot "runPathRoot" .Values.runPathRoot "allowedAddresses" .Values.allowedAddresses | toPrettyJson }}
{{- end }}

{{- define "momentum.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "momentum.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
