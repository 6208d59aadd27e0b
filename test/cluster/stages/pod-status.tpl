{{- /* The whole status of a pod, for the word in $look. What a kubelet would leave alone (start times, addresses,
restart counts, condition times that do not change) is carried over from the status there is. */ -}}
{{- $now := Now -}}
{{- $pod := . -}}
{{- $finished := eq $look "finished" -}}
{{- $waiting := or (eq $look "pull-back-off") (eq $look "crash-loop") -}}

{{- /* Exit code of each container by name: the first "exit N" with N from 1 to 255 in its words. */ -}}
{{- $codes := dict -}}
{{- $failed := false -}}
{{- range .spec.containers -}}
  {{- $code := 0 -}}
  {{- range regexFindAll "\\bexit +[0-9]+" (join "\n" (concat (or .command list) (or .args list))) -1 -}}
    {{- $n := trimPrefix "exit" . | trim | atoi -}}
    {{- if and (eq $code 0) (gt $n 0) (lt $n 256) }}{{ $code = $n }}{{ end -}}
  {{- end -}}
  {{- if and $finished (ne $code 0) }}{{ $failed = true }}{{ end -}}
  {{- $_ := set $codes .name $code -}}
{{- end -}}

{{- $phase := "Running" -}}
{{- if eq $look "pull-back-off" }}{{ $phase = "Pending" }}{{ end -}}
{{- if $finished }}{{ $phase = ternary "Failed" "Succeeded" $failed }}{{ end -}}
{{- $ready := ternary "True" "False" (eq $look "ready") -}}

{{- $reason := "ContainersNotReady" -}}
{{- if $finished }}{{ $reason = ternary "PodFailed" "PodCompleted" $failed }}{{ end -}}
{{- $names := list -}}
{{- range .spec.containers }}{{ $names = append $names .name }}{{ end -}}

{{- $conditions := dict "Initialized" "True" "ContainersReady" $ready "Ready" $ready -}}
{{- range .spec.readinessGates }}{{ $_ := set $conditions .conditionType $ready }}{{ end -}}
{{- $before := dict -}}
{{- range .status.conditions }}{{ $_ := set $before .type .status }}{{ end }}
phase: {{ $phase }}
conditions:
{{ range $type, $status := $conditions }}
- type: {{ Quote $type }}
  status: {{ Quote $status }}
  {{ if ne $status (get $before $type) }}
  lastTransitionTime: {{ Quote $now }}
  {{ end }}
  {{ if eq $status "True" }}
  reason: null
  message: null
  {{ else }}
  reason: {{ $reason }}
  {{ if not $finished }}
  message: {{ printf "containers with unready status: [%s]" (join " " $names) | Quote }}
  {{ end }}
  {{ end }}
{{ end }}

containerStatuses:
{{ range $container := .spec.containers }}
{{ $was := dict }}
{{ range $pod.status.containerStatuses }}{{ if eq .name $container.name }}{{ $was = . }}{{ end }}{{ end }}
{{ $id := printf "sim://%s/%s" (or $pod.metadata.uid "none") .name }}
{{ $since := dig "state" "running" "startedAt" $now $was }}
- name: {{ Quote .name }}
  image: {{ Quote .image }}
  imageID: ""
  containerID: {{ Quote (ternary "" $id (eq $look "pull-back-off")) }}
  ready: {{ eq $look "ready" }}
  started: {{ or (eq $look "ready") (eq $look "unready") }}
  {{ if eq $look "crash-loop" }}
  restartCount: {{ max 5 (or $was.restartCount 0) }}
  state:
    waiting:
      reason: CrashLoopBackOff
      message: {{ printf "back-off 5m0s restarting failed container=%s pod=%s" .name $pod.metadata.name | Quote }}
  lastState:
    terminated:
      exitCode: 1
      reason: Error
      startedAt: {{ Quote $since }}
      finishedAt: {{ Quote $now }}
      containerID: {{ Quote $id }}
  {{ else }}
  restartCount: {{ or $was.restartCount 0 }}
  lastState: {{ toJson (or $was.lastState dict) }}
  state:
    {{ if eq $look "pull-back-off" }}
    waiting:
      reason: ImagePullBackOff
      message: {{ printf "Back-off pulling image %q" .image | Quote }}
    {{ else if $finished }}
    {{ $code := get $codes .name }}
    terminated:
      exitCode: {{ $code }}
      reason: {{ ternary "Completed" "Error" (eq $code 0) }}
      startedAt: {{ Quote $since }}
      finishedAt: {{ Quote $now }}
      containerID: {{ Quote $id }}
    {{ else }}
    running:
      startedAt: {{ Quote $since }}
    {{ end }}
  {{ end }}
{{ end }}

{{ if .spec.initContainers }}
initContainerStatuses:
{{ range $container := .spec.initContainers }}
{{ $was := dict }}
{{ range $pod.status.initContainerStatuses }}{{ if eq .name $container.name }}{{ $was = . }}{{ end }}{{ end }}
{{ $sidecar := eq (toString .restartPolicy) "Always" }}
{{ $since := dig "state" "running" "startedAt" $now $was }}
- name: {{ Quote .name }}
  image: {{ Quote .image }}
  imageID: ""
  containerID: {{ printf "sim://%s/%s" (or $pod.metadata.uid "none") .name | Quote }}
  ready: {{ or (not $sidecar) (not $finished) }}
  started: {{ and $sidecar (not $finished) }}
  restartCount: 0
  state:
    {{ if and $sidecar (not $finished) }}
    running:
      startedAt: {{ Quote $since }}
    {{ else }}
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ dig "state" "terminated" "startedAt" $since $was | Quote }}
      finishedAt: {{ dig "state" "terminated" "finishedAt" $now $was | Quote }}
    {{ end }}
{{ end }}
{{ end }}

{{ if not .status.startTime }}
startTime: {{ Quote $now }}
{{ end }}
{{ if not .status.hostIP }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs:
{{ range . }}
- ip: {{ Quote . }}
{{ end }}
{{ end }}
{{ end }}
{{ if not .status.podIP }}
{{ with PodIPsWith .spec.nodeName (or .spec.hostNetwork false) (or .metadata.uid "") .metadata.name (or .metadata.namespace "") }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ Quote . }}
{{ end }}
{{ end }}
{{ end }}
