{{- define "partgate.name" -}}
{{/* Room is left for -operations and -migration: names end at 63 letters. */}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{ $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "partgate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "partgate.labels" -}}
{{ include "partgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "partgate.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "partgate.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "partgate.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* The Secret that gateways read, and which of its keys. */}}
{{- define "partgate.secretName" -}}
{{ .Values.secrets.existing | default (include "partgate.name" .) }}
{{- end }}
{{- define "partgate.secretKeys" -}}
{{ ternary .Values.secrets.keys (keys .Values.secrets.values | sortAlpha) (not (empty .Values.secrets.existing)) | toJson }}
{{- end }}

{{/* Names of letters, digits, - and _ need no quotes in TOML. */}}
{{- define "partgate.tomlName" -}}
{{ if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ . | toRawJson }}{{ end }}
{{- end }}

{{/* A table of settings as TOML: {path, table}. JSON's strings, numbers, booleans and flat arrays are TOML's too; what
has no value is left out. Plain values come before tables, which would take them in. */}}
{{- define "partgate.toml" -}}
{{- $path := .path -}}
{{- range $name, $value := .table }}{{ if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "partgate.tomlName" $name }} = {{ $value | toRawJson }}
{{- end }}{{ end }}
{{- range $name, $value := .table }}{{ if kindIs "map" $value }}
{{- $below := append $path (include "partgate.tomlName" $name) }}

[{{ join "." $below }}]
{{- include "partgate.toml" (dict "path" $below "table" $value) }}
{{- end }}{{ end }}
{{- end }}

{{/* The settings with what follows from other values. */}}
{{- define "partgate.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- $ours := dict "listen" "0.0.0.0:8080" "operations" (dict "listen" (printf "0.0.0.0:%d" (int .Values.operations.port))) -}}
{{- if and .Values.ingress.enabled (not $settings.public_url) -}}
{{- $scheme := ternary "https" "http" (not (empty .Values.ingress.tls.secretName)) -}}
{{- $_ := set $ours "public_url" (printf "%s://%s" $scheme .Values.ingress.host) -}}
{{- end -}}
{{- include "partgate.toml" (dict "path" list "table" (mergeOverwrite $settings $ours)) | trim }}
{{- end }}

{{/* What a container of ours needs to find its settings: the file, and a file for each secret. */}}
{{- define "partgate.environment" -}}
- name: PARTGATE_CONFIG
  value: /etc/partgate/settings/partgate.toml
{{- range include "partgate.secretKeys" . | fromJsonArray }}
- name: PARTGATE_{{ . | replace "." "__" | upper }}_FILE
  value: /etc/partgate/secrets/{{ . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "partgate.mounts" -}}
- name: settings
  mountPath: /etc/partgate/settings
  readOnly: true
- name: secrets
  mountPath: /etc/partgate/secrets
  readOnly: true
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* {root, settings, secret}: the names of ConfigMap and Secret. */}}
{{- define "partgate.volumes" -}}
- name: settings
  configMap:
    name: {{ .settings }}
- name: secrets
  secret:
    secretName: {{ .secret }}
    # Readable by the pod's group, which is fsGroup.
    defaultMode: 0440
    items:
      {{- range include "partgate.secretKeys" .root | fromJsonArray }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the "restricted" Pod Security Standard asks of a pod, and of a container. */}}
{{- define "partgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- define "partgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What no schema can say: it is about two values at once. */}}
{{- define "partgate.check" -}}
{{- $keys := include "partgate.secretKeys" . | fromJsonArray -}}
{{- if and .Values.secrets.existing .Values.secrets.values -}}
{{- fail "secrets.existing and secrets.values: only one of them can be" -}}
{{- end -}}
{{- range $key := list "database" "auth.token_secrets" -}}
{{- if not (has $key $keys) -}}
{{- fail (printf "the secret %q is missing: set secrets.existing and name it in secrets.keys, or set secrets.values" $key) -}}
{{- end -}}
{{- end -}}
{{- $database := get .Values.secrets.values "database" -}}
{{- if and $database (not (regexMatch "^postgres(ql)?://" $database)) -}}
{{- fail "secrets.values.database: gateways that share their work need PostgreSQL: postgres://user:password@host:5432/name" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host is missing" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end }}
