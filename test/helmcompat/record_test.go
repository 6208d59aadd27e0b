package helmcompat

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// moment stands for a time that is set.
const moment = "(a time)"

// times are the fields of a record that hold times.
var times = []string{"first_deployed", "last_deployed", "deleted", "started_at", "completed_at"}

// records returns the release records of a namespace, by revision: the Secret with its labels, and the release in it,
// as the JSON that is stored, whatever fields there are.
func (p *play) records(t *testing.T, s side) map[string]any {
	t.Helper()
	list := &corev1.SecretList{}
	err := world.cluster.Client.List(t.Context(), list, client.InNamespace(s.namespace),
		client.MatchingLabels{"owner": "helm"})
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]any{}
	for i := range list.Items {
		secret := &list.Items[i]
		stored := decodeRelease(t, secret.Data["release"])
		p.noteKinds(t, stored)
		revision := map[string]any{"release": tidyRelease(t, stored), "ran": hooksInOrder(stored)}
		secret.Data = nil
		for _, label := range []string{"createdAt", "modifiedAt"} {
			if secret.Labels[label] != "" {
				secret.Labels[label] = moment
			}
		}
		secret.ManagedFields = nil // each program writes records under its own name
		revision["secret"] = tidyObject(t, secret)
		records[secret.Name] = revision
	}
	return records
}

// decodeRelease unpacks a record as Helm 3 writes it: base64, gzip, JSON.
func decodeRelease(t *testing.T, data []byte) map[string]any {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		t.Fatalf("the record is not base64: %v", err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("the record is not packed: %v", err)
	}
	document, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // 1 and 1.0 are not the same in a template
	release := map[string]any{}
	if err := decoder.Decode(&release); err != nil {
		t.Fatalf("the record is not JSON: %v", err)
	}
	return release
}

// tidyRelease replaces times and makes the files of the chart readable.
func tidyRelease(t *testing.T, release map[string]any) map[string]any {
	t.Helper()
	info, _ := release["info"].(map[string]any)
	replaceTimes(info)
	hooks, _ := release["hooks"].([]any)
	for _, hook := range hooks {
		run, _ := hook.(map[string]any)["last_run"].(map[string]any)
		replaceTimes(run)
	}
	chart, _ := release["chart"].(map[string]any)
	for _, field := range []string{"templates", "files"} {
		files, _ := chart[field].([]any)
		for _, file := range files {
			fields := file.(map[string]any)
			fields["data"] = decoded(t, fields["data"])
		}
	}
	chart["schema"] = decoded(t, chart["schema"])
	return release
}

func decoded(t *testing.T, encoded any) any {
	t.Helper()
	text, ok := encoded.(string)
	if !ok {
		return encoded
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func replaceTimes(fields map[string]any) {
	for _, field := range times {
		text, _ := fields[field].(string)
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && !at.IsZero() {
			fields[field] = moment
		}
	}
}

// hooksInOrder lists the hooks in the order they were last run, which is not the order in the record.
func hooksInOrder(release map[string]any) []any {
	type started struct{ path, at string }
	var all []started
	hooks, _ := release["hooks"].([]any)
	for _, hook := range hooks {
		fields := hook.(map[string]any)
		run, _ := fields["last_run"].(map[string]any)
		at, _ := run["started_at"].(string)
		path, _ := fields["path"].(string)
		name, _ := fields["name"].(string)
		if parsed, err := time.Parse(time.RFC3339Nano, at); err == nil && !parsed.IsZero() {
			all = append(all, started{path + " " + name, parsed.UTC().Format("20060102150405.000000000")})
		}
	}
	slices.SortStableFunc(all, func(a, b started) int { return cmp.Compare(a.at, b.at) })
	var names []any
	for _, one := range all {
		names = append(names, one.path)
	}
	return names
}

// noteKinds remembers the kinds that the manifest and the hooks of a release have.
func (p *play) noteKinds(t *testing.T, release map[string]any) {
	t.Helper()
	manifests := []string{}
	if manifest, ok := release["manifest"].(string); ok {
		manifests = append(manifests, strings.Split(manifest, "\n---")...)
	}
	hooks, _ := release["hooks"].([]any)
	for _, hook := range hooks {
		if manifest, ok := hook.(map[string]any)["manifest"].(string); ok {
			manifests = append(manifests, manifest)
		}
	}
	for _, manifest := range manifests {
		for _, found := range kindsOf(manifest) {
			p.kinds[found] = true
		}
	}
}
