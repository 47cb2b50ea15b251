{{/* Volumes that settings and documents are read from. `helm test` mounts them, too. */}}
{{- define "countersign.readVolumes" -}}
- name: settings
  configMap: { name: {{ printf "%s-settings" (include "countersign.fullname" .) | quote }} }
{{- if .Values.documents }}
- name: documents
  configMap: { name: {{ printf "%s-documents" (include "countersign.fullname" .) | quote }} }
{{- end }}
{{- range $index, $name := .Values.documentConfigMaps }}
- name: documents-{{ $index }}
  configMap: { name: {{ $name | quote }} }
{{- end }}
{{- range $index, $name := .Values.documentSecrets }}
- name: document-secrets-{{ $index }}
  secret: { secretName: {{ $name | quote }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.authorities }}
- name: authorities
  projected:
    defaultMode: 0444
    sources:
      {{- range $name, $from := . }}
      {{- with $from.configMap }}
      - configMap: { name: {{ .name | quote }}, items: [{ key: {{ .key | quote }}, path: {{ printf "%s.pem" $name | quote }} }] }
      {{- end }}
      {{- with $from.secret }}
      - secret: { name: {{ .name | quote }}, items: [{ key: {{ .key | quote }}, path: {{ printf "%s.pem" $name | quote }} }] }
      {{- end }}
      {{- with $from.clusterTrustBundle }}
      - clusterTrustBundle:
          {{- toYaml . | nindent 10 }}
          path: {{ printf "%s.pem" $name | quote }}
      {{- end }}
      {{- end }}
{{- end }}
{{- range $name, $secret := .Values.secrets }}
- name: secret-{{ $name }}
  secret: { secretName: {{ $secret | quote }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "countersign.readMounts" -}}
{{- $home := include "countersign.home" . -}}
- { name: settings, mountPath: {{ $home }}/settings, readOnly: true }
{{- if .Values.documents }}
- { name: documents, mountPath: {{ $home }}/documents/chart, readOnly: true }
{{- end }}
{{- range $index, $name := .Values.documentConfigMaps }}
- { name: documents-{{ $index }}, mountPath: {{ $home }}/documents/{{ $name }}, readOnly: true }
{{- end }}
{{- range $index, $name := .Values.documentSecrets }}
- { name: document-secrets-{{ $index }}, mountPath: {{ $home }}/document-secrets/{{ $name }}, readOnly: true }
{{- end }}
{{- if .Values.authorities }}
- { name: authorities, mountPath: {{ $home }}/authorities, readOnly: true }
{{- end }}
{{- range $name, $secret := .Values.secrets }}
- { name: secret-{{ $name }}, mountPath: {{ $home }}/secrets/{{ $name }}, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The Secrets of the listener, the admin listener and Redis: `[{ name, secret }]`, mounted in a folder of that name. */}}
{{- define "countersign.ownSecrets" -}}
{{- $redis := include "countersign.redis" . }}
{{- $own := list (dict "name" "tls" "secret" .Values.listener.tls.secretName) }}
{{- $own = append $own (dict "name" "admin" "secret" .Values.admin.revocations.secretName) }}
{{- if $redis }}
{{- $own = append $own (dict "name" "redis" "secret" .Values.redis.password.secretName) }}
{{- $own = append $own (dict "name" "redis-tls" "secret" .Values.redis.tls.secretName) }}
{{- end }}
{{- if .Values.redis.sentinel.urls }}
{{- $own = append $own (dict "name" "redis-sentinel" "secret" .Values.redis.sentinel.password.secretName) }}
{{- end }}
{{- $named := list }}
{{- range $own }}{{ if .secret }}{{ $named = append $named . }}{{ end }}{{ end }}
{{- $named | toJson }}
{{- end }}

{{/* The security of pods and of containers: Pod Security `restricted`, and OpenShift's `restricted-v2` without the numbers. */}}
{{- define "countersign.podSecurity" -}}
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{- range $key, $value := .Values.podSecurityContext }}
{{- if not (kindIs "invalid" $value) }}
{{ toYaml (dict $key $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "countersign.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The pod of a replica, without its metadata. */}}
{{- define "countersign.pod" -}}
{{- $home := include "countersign.home" . -}}
{{- $socket := include "countersign.socket" . -}}
serviceAccountName: {{ include "countersign.serviceAccountName" . | quote }}
# It never talks to the Kubernetes API.
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "countersign.podSecurity" . | nindent 2 }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: countersign
    image: {{ include "countersign.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve, --config, {{ $home }}/settings/countersign.yaml]
    {{- with .Values.env }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.envFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    ports:
      {{- if not $socket }}
      - { name: grpc, containerPort: {{ .Values.listener.port }} }
      {{- end }}
      - { name: admin, containerPort: {{ .Values.admin.port }} }
      {{- with include "countersign.publishedPort" . }}
      - { name: keys, containerPort: {{ . }} }
      {{- end }}
    # A restart fixes a process that does not answer, and nothing else.
    livenessProbe:
      httpGet: { path: /livez, port: admin }
      {{- toYaml .Values.probes.liveness | nindent 6 }}
    # No preStop sleep: after SIGTERM it says "not ready" and goes on answering for `drain.delay`.
    readinessProbe:
      httpGet: { path: /readyz, port: admin }
      {{- toYaml .Values.probes.readiness | nindent 6 }}
    # Reading large revocation lists takes seconds.
    startupProbe:
      httpGet: { path: /livez, port: admin }
      {{- toYaml .Values.probes.startup | nindent 6 }}
    {{- with .Values.lifecycle }}
    lifecycle:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "countersign.containerSecurity" . | nindent 6 }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      {{- include "countersign.readMounts" . | nindent 6 }}
      {{- range include "countersign.ownSecrets" . | fromJsonArray }}
      - { name: {{ .name }}, mountPath: {{ $home }}/{{ .name }}, readOnly: true }
      {{- end }}
      - { name: state, mountPath: /var/lib/countersign }
      {{- if $socket }}
      - { name: socket, mountPath: /run/countersign }
      {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "countersign.readVolumes" . | nindent 2 }}
  {{- range include "countersign.ownSecrets" . | fromJsonArray }}
  - name: {{ .name }}
    secret: { secretName: {{ .secret | quote }}, defaultMode: 0440 }
  {{- end }}
  - name: state
    emptyDir: { sizeLimit: {{ .Values.stateFolder.sizeLimit | quote }} }
  {{- if $socket }}
  - name: socket
    {{- toYaml .Values.listener.socket.volume | nindent 4 }}
  {{- end }}
{{- with .Values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - labelSelector:
      matchLabels:
        {{- include "countersign.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
