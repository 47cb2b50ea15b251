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
app.kubernetes.io/name: {{ include "countersign.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "countersign.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "countersign.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
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
{{- $settings := deepCopy .Values.settings }}
{{- $listener := default dict $settings.listener }}
{{- $_ := set $listener "address" (printf "%s:%d" .Values.listener.host (int .Values.listener.port)) }}
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

{{/* What cannot work is refused before it is installed, with what to do. */}}
{{- define "countersign.check" -}}
{{- if not (or .Values.documents .Values.documentConfigMaps) }}
{{- fail "no documents: set `documents`, or name ConfigMaps in `documentConfigMaps`" }}
{{- end }}
{{- $tls := .Values.listener.tls }}
{{- $loopback := or (hasPrefix "127." .Values.listener.host) (eq "[::1]" .Values.listener.host) }}
{{- if not (or $tls.secretName .Values.listener.insecureAllowPlaintext $loopback) }}
{{- fail "the listener has no TLS: set `listener.tls.secretName`, or, where a mesh stands in front of it, `listener.host: 127.0.0.1` or `listener.insecureAllowPlaintext: true`" }}
{{- end }}
{{- if and $tls.secretName (not (or $tls.clients.spiffe $tls.clients.dns)) }}
{{- fail "`listener.tls.clients` is empty: name the Envoys that may ask" }}
{{- end }}
{{- if gt (len (compact (list .Values.redis.url (join "" .Values.redis.cluster) (join "" .Values.redis.sentinel.urls)))) 1 }}
{{- fail "`redis` has more than one of `url`, `cluster` and `sentinel.urls`: set one" }}
{{- end }}
{{- if and .Values.redis.sentinel.urls (not .Values.redis.sentinel.master) }}
{{- fail "`redis.sentinel.master` is empty: set the name by which the Sentinels know the server" }}
{{- end }}
{{- $drain := default dict (default dict .Values.settings.listener).drain }}
{{- $needed := add (include "countersign.seconds" (default "5s" $drain.delay)) (include "countersign.seconds" (default "20s" $drain.timeout)) 4 }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) }}
{{- fail (printf "`terminationGracePeriodSeconds` is %d, less than the %d that `settings.listener.drain` and telling of it need" (int .Values.terminationGracePeriodSeconds) $needed) }}
{{- end }}
{{- end }}
