{{/* What the pods of migration and doctor have. */}}
{{- define "partgate.jobPod" -}}
restartPolicy: Never
automountServiceAccountToken: false
# Kubernetes would describe a service named partgate in variables PARTGATE_…, which are the gateway's settings.
enableServiceLinks: false
securityContext:
  {{- include "partgate.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* And their containers. */}}
{{- define "partgate.jobContainer" -}}
image: {{ include "partgate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "partgate.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
env:
  {{- include "partgate.environment" . | nindent 2 }}
volumeMounts:
  {{- include "partgate.mounts" . | nindent 2 }}
{{- end }}
