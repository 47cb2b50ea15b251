{{- define "countersign.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "countersign.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "countersign.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "countersign.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "countersign.selectorLabels" -}}
app.kubernetes.io/name: {{ include "countersign.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "countersign.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "countersign.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* `metadata` of a resource: its name ends with `suffix`; it has the chart's labels, and those of `labels`. */}}
{{- define "countersign.metadata" -}}
name: {{ printf "%s%s" (include "countersign.fullname" .top) (default "" .suffix) | quote }}
labels:
  {{- include "countersign.labels" .top | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The image, by its digest or its tag. */}}
{{- define "countersign.image" -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}{{ else }}{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}{{ end }}
{{- end }}

{{/* How often metrics are read, and what Prometheus makes of them. */}}
{{- define "countersign.scrape" -}}
interval: {{ .interval }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Something where Envoys come by a Unix socket. */}}
{{- define "countersign.socket" -}}
{{- if .Values.listener.socket.volume }}yes{{ end }}
{{- end }}

{{/* The port of `settings.assertion.publish`, where another pod can reach it. */}}
{{- define "countersign.publishedPort" -}}
{{- $publish := dig "assertion" "publish" "" (default dict .Values.settings) }}
{{- if and $publish (not (hasPrefix "127." $publish)) (not (hasPrefix "[::1]" $publish)) }}{{ regexFind "[0-9]+$" $publish }}{{ end }}
{{- end }}

{{- define "countersign.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "countersign.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Where things are mounted: the settings point there, and so does the Deployment. */}}
{{- define "countersign.home" -}}/etc/countersign{{- end }}

{{/* Seconds of a length of time such as `20s`, `1m30s` or `500ms`. */}}
{{- define "countersign.seconds" -}}
{{- $total := 0.0 }}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" . -1 }}
{{- $number := regexFind "^[0-9]+" . | float64 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit }}
{{- $total = addf $total (mulf $number $factor) }}
{{- end }}
{{- ceil $total | int }}
{{- end }}

{{/* The settings file: what operators say, with what follows from the chart's other values. */}}
{{- define "countersign.settings" -}}
{{- $home := include "countersign.home" . }}
{{- $settings := deepCopy (default dict .Values.settings) }}
{{- $listener := default dict $settings.listener }}
{{- if include "countersign.socket" . }}
{{- $_ := set $listener "address" (printf "unix:///run/countersign/%s" .Values.listener.socket.name) }}
{{- $who := dict "mode" .Values.listener.socket.mode }}
{{- with .Values.listener.socket.group }}{{ $_ := set $who "group" (int .) }}{{ end }}
{{- $_ := set $listener "socket" $who }}
{{- else }}
{{- $_ := set $listener "address" (printf "%s:%d" .Values.listener.host (int .Values.listener.port)) }}
{{- end }}
{{- with .Values.listener.tls }}
{{- if .secretName }}
{{- $tls := dict "certificate" (printf "%s/tls/tls.crt" $home) "key" (printf "%s/tls/tls.key" $home) "clientAuthorities" (printf "%s/tls/ca.crt" $home) "clients" .clients }}
{{- $_ := set $listener "tls" $tls }}
{{- end }}
{{- end }}
{{- if .Values.listener.insecureAllowPlaintext }}
{{- $_ := set $listener "insecureAllowPlaintext" true }}
{{- end }}
{{- $_ := set $settings "listener" $listener }}
{{- $admin := dict "address" (printf "%s:%d" .Values.admin.host (int .Values.admin.port)) }}
{{- with .Values.admin.revocations }}
{{- if .secretName }}
{{- $_ := set $admin "revocations" (dict "tokenFile" (printf "%s/admin/%s" $home .key)) }}
{{- end }}
{{- end }}
{{- $_ := set $settings "admin" $admin }}
{{- $documents := list }}
{{- if .Values.documents }}
{{- $documents = append $documents (printf "%s/documents/chart" $home) }}
{{- end }}
{{- range .Values.documentConfigMaps }}
{{- $documents = append $documents (printf "%s/documents/%s" $home .) }}
{{- end }}
{{- range .Values.documentSecrets }}
{{- $documents = append $documents (printf "%s/document-secrets/%s" $home .) }}
{{- end }}
{{- $_ := set $settings "documents" $documents }}
{{- $_ := set $settings "stateFolder" "/var/lib/countersign" }}
{{- if include "countersign.redis" . }}
{{- $redis := dict "timeout" .Values.redis.timeout "prefix" .Values.redis.prefix "onLoss" .Values.redis.onLoss "forgetful" .Values.redis.forgetful }}
{{- if .Values.redis.url }}{{ $_ := set $redis "url" .Values.redis.url }}{{ end }}
{{- if .Values.redis.cluster }}{{ $_ := set $redis "cluster" .Values.redis.cluster }}{{ end }}
{{- with .Values.redis.sentinel }}
{{- if .urls }}
{{- $sentinel := dict "urls" .urls "master" .master }}
{{- if .password.secretName }}{{ $_ := set $sentinel "password" (dict "file" (printf "%s/redis-sentinel/%s" $home .password.key)) }}{{ end }}
{{- $_ := set $redis "sentinel" $sentinel }}
{{- end }}
{{- end }}
{{- if .Values.redis.username }}{{ $_ := set $redis "username" .Values.redis.username }}{{ end }}
{{- with .Values.redis.password }}
{{- if .secretName }}{{ $_ := set $redis "password" (dict "file" (printf "%s/redis/%s" $home .key)) }}{{ end }}
{{- end }}
{{- with .Values.redis.tls }}
{{- if .secretName }}
{{- $_ := set $redis "ca" (printf "%s/redis-tls/ca.crt" $home) }}
{{- if .clientCertificate }}
{{- $_ := set $redis "certificate" (printf "%s/redis-tls/tls.crt" $home) }}
{{- $_ := set $redis "key" (printf "%s/redis-tls/tls.key" $home) }}
{{- end }}
{{- end }}
{{- end }}
{{- $_ := set $settings "store" (dict "redis" $redis) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* Something where Redis is used. */}}
{{- define "countersign.redis" -}}
{{- if or .Values.redis.url .Values.redis.cluster .Values.redis.sentinel.urls }}yes{{ end }}
{{- end }}

{{/* The folders of a pod in which settings and documents may name files, one a line. */}}
{{- define "countersign.folders" -}}
{{- $home := include "countersign.home" . }}
{{- range $name, $_ := .Values.authorities }}
{{ $home }}/authorities/{{ $name }}.pem
{{- end }}
{{- range $name, $_ := .Values.secrets }}
{{ $home }}/secrets/{{ $name }}
{{- end }}
{{- end }}

{{/* What cannot work is refused before it is installed, with what to do. */}}
{{- define "countersign.check" -}}
{{- $settings := default dict .Values.settings }}
{{- $name := include "countersign.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- fail (printf "`%s` cannot be the name of a Service, which begins with a letter and has no dot: set `fullnameOverride`" $name) }}
{{- end }}
{{- if not (or .Values.documents .Values.documentConfigMaps .Values.documentSecrets) }}
{{- fail "no documents: set `documents`, or name ConfigMaps in `documentConfigMaps` or Secrets in `documentSecrets`" }}
{{- end }}
{{- if and .Values.documents (has "chart" .Values.documentConfigMaps) }}
{{- fail "`documentConfigMaps` has `chart`, which is the folder of `documents`: give that ConfigMap another name" }}
{{- end }}
{{- $tls := .Values.listener.tls }}
{{- $socket := include "countersign.socket" . }}
{{- $loopback := or (hasPrefix "127." .Values.listener.host) (eq "[::1]" .Values.listener.host) }}
{{- if and $socket (or $tls.secretName .Values.listener.insecureAllowPlaintext) }}
{{- fail "`listener.socket.volume` is set: a Unix socket has no `listener.tls`, and needs no `listener.insecureAllowPlaintext`" }}
{{- end }}
{{- if not (or $tls.secretName .Values.listener.insecureAllowPlaintext $loopback $socket) }}
{{- fail "the listener has no TLS: set `listener.tls.secretName`, or, where a mesh stands in front of it, `listener.host: 127.0.0.1` or `listener.insecureAllowPlaintext: true`" }}
{{- end }}
{{- if and $tls.secretName (not (or $tls.clients.spiffe $tls.clients.dns)) }}
{{- fail "`listener.tls.clients` is empty: name the Envoys that may ask" }}
{{- end }}
{{- $dual := or (has .Values.service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) (has "IPv6" .Values.service.ipFamilies) }}
{{- if and $dual (not $socket) (not (hasPrefix "[" .Values.listener.host)) }}
{{- fail "the Services have IPv6 addresses and the listener has none: set `listener.host` and `admin.host` to `[::]`, which is both" }}
{{- end }}
{{- if and (or (hasPrefix "127." .Values.admin.host) (eq "[::1]" .Values.admin.host)) (or $socket (not $loopback)) }}
{{- fail "`admin.host` is loopback: the kubelet's probes and metrics come to the address of the pod" }}
{{- end }}
{{- $published := include "countersign.publishedPort" . }}
{{- $ports := compact (list (ternary "" (toString .Values.listener.port) (eq $socket "yes")) (toString .Values.admin.port) $published) }}
{{- if ne (len $ports) (len (uniq $ports)) }}
{{- fail "`listener.port`, `admin.port` and the port of `settings.assertion.publish` have to differ" }}
{{- end }}
{{- if gt (len (compact (list .Values.redis.url (join "" .Values.redis.cluster) (join "" .Values.redis.sentinel.urls)))) 1 }}
{{- fail "`redis` has more than one of `url`, `cluster` and `sentinel.urls`: set one" }}
{{- end }}
{{- if and .Values.redis.sentinel.urls (not .Values.redis.sentinel.master) }}
{{- fail "`redis.sentinel.master` is empty: set the name by which the Sentinels know the server" }}
{{- end }}
{{- $drain := default dict (default dict $settings.listener).drain }}
{{- $needed := add (include "countersign.seconds" (default "5s" $drain.delay)) (include "countersign.seconds" (default "20s" $drain.timeout)) 4 (int (dig "preStop" "sleep" "seconds" 0 (default dict .Values.lifecycle))) }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "`terminationGracePeriodSeconds` is %d, less than the %d that `settings.listener.drain`, `lifecycle` and telling of it need" (int .Values.terminationGracePeriodSeconds) $needed) }}
{{- end }}
{{- if and .Values.autoscaling.enabled (eq .Values.kind "DaemonSet") }}
{{- fail "`autoscaling` is for a Deployment: a DaemonSet has one pod on each node" }}
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.keda.enabled (not .Values.autoscaling.keda.prometheus) }}
{{- fail "`autoscaling.keda.prometheus` is empty: set the address of the Prometheus that has the metrics" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.keda.enabled) (not .Values.autoscaling.targetCPUUtilizationPercentage) (not .Values.autoscaling.metrics) }}
{{- fail "`autoscaling` has nothing to scale by: set `targetCPUUtilizationPercentage` or `metrics`" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "`autoscaling.minReplicas` is more than `autoscaling.maxReplicas`" }}
{{- end }}
{{- $folders := splitList "\n" (trim (include "countersign.folders" .)) }}
{{- $said := regexReplaceAll "(?m)^[ ]*#.*$" (printf "%s\n%s" (toYaml $settings) (toYaml .Values.documents)) "" }}
{{- range uniq (regexFindAll "/etc/countersign/(authorities/[-a-z0-9.]+|secrets/[-a-z0-9]+)" $said -1) }}
{{- if not (has . $folders) }}
{{- fail (printf "`settings` or `documents` name a file at `%s`, which nothing mounts: add it to `%s`" . (ternary "authorities" "secrets" (contains "/authorities/" .))) }}
{{- end }}
{{- end }}
{{- $file := dig "audit" "file" "" $settings }}
{{- $places := list "/var/lib/countersign/" }}
{{- range .Values.extraVolumeMounts }}{{ $places = append $places (printf "%s/" (trimSuffix "/" .mountPath)) }}{{ end }}
{{- $written := false }}
{{- range $places }}{{ if hasPrefix . $file }}{{ $written = true }}{{ end }}{{ end }}
{{- if and $file (not $written) }}
{{- fail (printf "`settings.audit.file` is `%s`, which cannot be written: mount a volume there by `extraVolumes` and `extraVolumeMounts`" $file) }}
{{- end }}
{{- end }}
