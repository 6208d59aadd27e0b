package helmcompat

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"

	"fairlead.dev/fairlead/test/servers"
)

// here stands, in the files of a chart and in manifests, for the namespace of the side that plays the scenario: what is
// not a template, such as crds/, can so be distinguished on both sides.
const here = "HERE"

// scenario is one chart and what is done with it.
type scenario struct {
	// fails is set when the chart cannot be installed or upgraded to.
	fails bool
	name  string
	// about is the part of Chart.yaml below name and version.
	about string
	// files of the chart, by path, without Chart.yaml.
	files map[string]string
	// next are the files of version 0.2.0 that are not as in version 0.1.0; empty content leaves a file out. Nil upgrades
	// with the same version.
	next map[string]string
	// archives are used instead of files: one chart archive, or one for the install and one for the upgrade.
	archives []string
	// values of the install and changed of the upgrade, as JSON; empty is none.
	values, changed string
	// before are manifests that are there before the install.
	before string
	// between is a merge patch by another client, after the install, for the object of betweenKind and betweenName.
	between, betweenKind, betweenName string
	// more are the endings of further namespaces, each of which is the side's with the ending.
	more []string
	// random are expressions for what differs by chance; only its length is compared.
	random []string
	// target plays the release in a namespace that it has to make itself.
	target bool
	// spec is merged into the spec of the HelmRelease.
	spec map[string]any
	// installFlags and upgradeFlags are for the helm command.
	installFlags, upgradeFlags []string
}

const (
	firstVersion  = "0.1.0"
	secondVersion = "0.2.0"
)

// version that a turn of the scenario installs: 0 is the install, 1 the upgrade.
func (s scenario) version(turn int) string {
	if turn > 0 && s.next != nil {
		return secondVersion
	}
	return firstVersion
}

// archive returns the chart of a turn for a side.
func (s scenario) archive(t *testing.T, turn int, namespace string) []byte {
	t.Helper()
	if len(s.archives) > 0 {
		content, err := os.ReadFile(s.archives[min(turn, len(s.archives)-1)])
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	files := maps.Clone(s.files)
	if turn > 0 {
		maps.Copy(files, s.next)
	}
	api := "apiVersion: v2\n"
	if strings.HasPrefix(s.about, "apiVersion:") {
		api = ""
	}
	files["Chart.yaml"] = fmt.Sprintf("%sname: %s\nversion: %s\n%s", api, s.name, s.version(turn), s.about)
	for path, content := range files {
		if content == "" {
			delete(files, path)
			continue
		}
		files[path] = strings.ReplaceAll(content, here, namespace)
	}
	archive, err := servers.BuildChart(files)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// publish puts the chart of a turn where a side takes it from: a file for the helm command, the registry for Fairlead.
// The name and version of the chart are returned too.
func (s scenario) publish(t *testing.T, turn int, namespace string) (file, name, version string) {
	t.Helper()
	archive := s.archive(t, turn, namespace)
	file = filepath.Join(t.TempDir(), fmt.Sprintf("chart-%d.tgz", turn))
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := loader.LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, loaded.Name(), loaded.Metadata.Version
}

// configured are the values of a turn.
func (s scenario) configured(turn int) string {
	if turn > 0 {
		return cmp.Or(s.changed, s.values)
	}
	return s.values
}

// configMap is a template of a ConfigMap with the data that is given, one "key: value" per line.
func configMap(name, data string) string {
	return object("v1", "ConfigMap", name, "", "data:\n"+indent(data, 2))
}

// object is a template of an object; meta are further lines of its metadata, body what follows it.
func object(apiVersion, kind, name, meta, body string) string {
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n%s%s", apiVersion, kind, name, indent(meta, 2),
		body)
}

// hook is a template of a hook.
func hook(kind, name, event, more, body string) string {
	api := map[string]string{"Job": "batch/v1"}[kind]
	return object(cmp.Or(api, "v1"), kind, name, "annotations:\n  helm.sh/hook: "+event+"\n"+indent(more, 2), body)
}

// deployment is a template of a Deployment with one container, whose further lines are given.
func deployment(name, container string) string {
	return object("apps/v1", "Deployment", name, "", `spec:
  selector:
    matchLabels: {app: `+name+`}
  template:
    metadata:
      labels: {app: `+name+`}
    spec:
      containers:
        - name: main
          image: example.com/main:1
`+indent(container, 10))
}

// job is the body of a Job that runs a command.
func job(command string) string {
	return `spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: example.com/job:1
          command: [` + command + `]
`
}

// indent moves every line to the right.
func indent(text string, by int) string {
	if text == "" {
		return ""
	}
	margin := strings.Repeat(" ", by)
	return margin + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+margin) + "\n"
}
